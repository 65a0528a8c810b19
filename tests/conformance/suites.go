package main

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// suite is some tests that a command runs.
type suite struct {
	name  string
	short bool          // it takes some seconds only
	limit time.Duration // for one run
	dir   string        // working directory, empty for one of its own

	// prepare, if not nil, makes what the command needs, in a directory that lasts.
	prepare func(dir string) error
	// command is the command line that runs all tests, or those that are named; dir is that of prepare.
	command func(dir string, tests []string) []string
	parse   func(output string) results
	known   map[string]string // tests that are known to differ, and why

	sides []side // what of it runs under rock, one after the other
}

var knownGo = map[string]string{"TestMultiPathTCP": "Multipath TCP is not offered"}

// opensshTests are those of openssh-tests that go through an sshd, at a port or as a proxy command, and those of its agent. The others
// are about files and options only, or repeat one connection for each cipher.
var opensshTests = strings.Fields("connect proxy-connect connect-privsep connect-uri proto-version proto-mismatch exit-status exit-status-signal " +
	"envpass transfer banner stderr-data stderr-after-eof broken-pipe yes-head login-timeout agent agent-timeout agent-subprocess agent-restrict " +
	"keyscan key-options scp scp3 scp-uri sftp sftp-cmds sftp-badcmds sftp-batch sftp-glob sftp-perm sftp-uri reconfigure dynamic-forward forwarding " +
	"multiplex reexec brokenkeys cfgmatch cfgmatchlisten localcommand forcecommand host-expand forward-control multipubkey limit-keytype hostkey-agent " +
	"hostkey-rotate cert-file cfginclude servcfginclude allow-deny-users authinfo knownhosts knownhosts-command channel-timeout connection-timeout")

// stressors are those of stress-ng that have to do with TCP, or with what is trapped on the way.
var stressors = map[string]string{
	"sock sendmsg":  "--sock 1 --sock-opts sendmsg --sock-ops 300",
	"sock sendmmsg": "--sock 1 --sock-opts sendmmsg --sock-ops 300",
	"sock ipv6":     "--sock 1 --sock-domain ipv6 --sock-ops 300",
	"sock nodelay":  "--sock 1 --sock-nodelay --sock-ops 300",
	"sock zerocopy": "--sock 1 --sock-zerocopy --sock-ops 300",
	"sockabuse":     "--sockabuse 1 --sockabuse-ops 300",
	"sockmany":      "--sockmany 1 --sockmany-ops 300",
	"sockfd":        "--sockfd 1 --sockfd-ops 300",
	"sockpair":      "--sockpair 1 --sockpair-ops 300",
	"epoll ipv4":    "--epoll 1 --epoll-domain ipv4 --epoll-ops 500",
	"epoll ipv6":    "--epoll 1 --epoll-domain ipv6 --epoll-ops 500",
	"udp":           "--udp 1 --udp-ops 1000",
	"close":         "--close 1 --close-ops 500",
	"dup":           "--dup 1 --dup-ops 300",
	"seccomp":       "--seccomp 1 --seccomp-ops 200",
	"vfork":         "--vfork 1 --vfork-ops 500",
	"clone":         "--clone 1 --clone-ops 300",
	"kill":          "--kill 1 --kill-ops 3000",
	"poll":          "--poll 1 --poll-ops 3000",
	"sendfile":      "--sendfile 1 --sendfile-ops 1000",
}

var stressorsShort = map[string]string{"sock": "--sock 2 --sock-ops 500"}

func suites() []*suite {
	all := pythonSuites()
	for _, p := range []string{"net", "net/http", "net/rpc", "net/smtp", "net/textproto", "crypto/tls", "net/http/httputil", "net/http/httptest",
		"net/http/cgi", "net/http/fcgi", "net/http/pprof", "log/syslog", "internal/poll", "os", "os/exec", "os/signal", "syscall"} {
		all = append(all, goSuite(p, p == "net/rpc" || p == "net/http/httptest"))
	}
	all = append(all, installedSuites()...)
	for _, t := range opensshTests {
		all = append(all, opensshSuite(t))
	}
	for _, p := range pairs {
		all = append(all, pairSuite(p))
	}
	return append(all, stressSuite("stress-ng --sock", true, stressorsShort), stressSuite("stress-ng", false, stressors))
}

// goSuite runs the tests of a package of Go's own library: a static program.
func goSuite(pkg string, short bool) *suite {
	program := strings.ReplaceAll(pkg, "/", "-") + ".test"
	goroot, _ := exec.Command("go", "env", "GOROOT").Output() // without it go test -c tells
	return &suite{
		name: "go " + pkg, short: short, limit: 10 * time.Minute, known: knownGo, sides: []side{whole}, dir: filepath.Join(strings.TrimSpace(string(goroot)), "src", pkg),
		prepare: func(dir string) error {
			cmd := exec.Command("go", "test", "-c", "-o", filepath.Join(dir, program), pkg)
			cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
			return explained(cmd)
		},
		command: func(dir string, tests []string) []string {
			argv := []string{filepath.Join(dir, program), "-test.v", "-test.short", "-test.timeout", "9m"}
			if len(tests) > 0 {
				argv = append(argv, "-test.run", goPattern(tests))
			}
			return argv
		},
		parse: parseGo,
	}
}

// goPattern matches the whole tests that are named; parts of tests are not told apart, as others may be needed before.
func goPattern(tests []string) string {
	top := map[string]bool{}
	for _, t := range tests {
		name, _, _ := strings.Cut(t, "/")
		top[name] = true
	}
	var names []string
	for name := range top {
		names = append(names, name)
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

func opensshSuite(test string) *suite {
	return &suite{
		name: "openssh " + test, limit: 5 * time.Minute, sides: []side{whole},
		command: func(string, []string) []string {
			return []string{"sh", "-c", `d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT && /usr/lib/openssh/regress/run-tests "$d" t-exec LTESTS="$0" SUDO=`, test}
		},
		parse: parseOpenSSH,
	}
}

// stressSuite runs a stressor after the other. The exit status of each tells.
func stressSuite(name string, short bool, stressors map[string]string) *suite {
	return &suite{
		name: name, short: short, limit: 4 * time.Minute, sides: []side{whole},
		command: func(_ string, tests []string) []string {
			if len(tests) == 0 {
				tests = slices.Sorted(maps.Keys(stressors))
			}
			var script strings.Builder
			for _, t := range tests {
				fmt.Fprintf(&script, "if stress-ng %s --verify --timeout 60 >&2; then echo '@@ ok %s'; else echo '@@ failed %s'; fi\n", stressors[t], t, t)
			}
			return []string{"sh", "-c", script.String()}
		},
		parse: parseMarked,
	}
}
