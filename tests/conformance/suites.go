package main

import (
	"os/exec"
	"path/filepath"
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
}

// Python modules that have to do with sockets, without those that need the world outside.
var pythonShort = []string{"test_socketserver", "test_ftplib", "test_telnetlib", "test_poplib", "test_asynchat"}

var pythonLong = []string{
	"test_selectors", "test_socket", "test_ssl", "test_asyncore", "test_httplib", "test_httpservers", "test_smtplib", "test_smtpd",
	"test_imaplib", "test_urllib2_localnet", "test_xmlrpc", "test_docxmlrpc", "test_select", "test_poll", "test_epoll",
	"test_asyncio", "test_signal", "test_os", "test_subprocess", "test_concurrent_futures", "test_multiprocessing_spawn",
}

// knownPython are differences that are limits of rock's: see README.md.
var knownPython = map[string]string{
	"test_asyncore.TestAPI_UseIPv4Select.test_handle_expt": "urgent data arrives in line",
	"test_asyncore.TestAPI_UseIPv4Poll.test_handle_expt":   "urgent data arrives in line",
	"test_asyncore.TestAPI_UseIPv6Select.test_handle_expt": "urgent data arrives in line",
	"test_asyncore.TestAPI_UseIPv6Poll.test_handle_expt":   "urgent data arrives in line",
}

var knownGo = map[string]string{"TestMultiPathTCP": "Multipath TCP is not offered"}

// glibTests are programs of libglib2.0-tests.
var glibTests = []string{"socket", "socket-listener", "socket-service", "gsocketclient-slow", "network-monitor", "pollable", "tls-bindings",
	"gdbus-peer", "gdbus-connection", "gdbus-server-auth", "gdbus-non-socket", "converter-stream", "srvtarget", "socket-address"}

// opensshTests are those of openssh-tests that go through sshd.
var opensshTests = []string{"connect", "proxy-connect", "exit-status", "transfer", "banner", "stderr-data", "stderr-after-eof", "broken-pipe",
	"dynamic-forward", "forwarding", "multiplex", "reexec", "scp", "sftp", "sftp-cmds", "keepalive", "login-timeout", "cfgmatch", "forward-control"}

func suites() []*suite {
	var all []*suite
	for _, m := range pythonShort {
		all = append(all, pythonSuite(m, true))
	}
	for _, m := range pythonLong {
		all = append(all, pythonSuite(m, false))
	}
	for _, p := range []string{"net", "net/http", "net/rpc", "net/smtp", "net/textproto", "crypto/tls", "net/http/httputil", "net/http/httptest"} {
		all = append(all, goSuite(p, p == "net/rpc" || p == "net/http/httptest"))
	}
	for _, t := range glibTests {
		all = append(all, glibSuite(t))
	}
	for _, t := range opensshTests {
		all = append(all, opensshSuite(t))
	}
	return append(all, stressSuite())
}

func pythonSuite(module string, short bool) *suite {
	return &suite{
		name: "python " + module, short: short, limit: 3 * time.Minute, known: knownPython,
		command: func(_ string, tests []string) []string {
			return append([]string{"/usr/bin/python3", "-u", "-W", "ignore", "-c", pythonRunner, module}, tests...)
		},
		parse: func(out string) results { return parseLines(out, "@@ ") },
	}
}

// goSuite runs the tests of a package of Go's own library: a static program.
func goSuite(pkg string, short bool) *suite {
	program := strings.ReplaceAll(pkg, "/", "-") + ".test"
	goroot, _ := exec.Command("go", "env", "GOROOT").Output() // without it go test -c tells
	return &suite{
		name: "go " + pkg, short: short, limit: 10 * time.Minute, known: knownGo, dir: filepath.Join(strings.TrimSpace(string(goroot)), "src", pkg),
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

func glibSuite(program string) *suite {
	const dir = "/usr/libexec/installed-tests/glib"
	return &suite{
		name: "glib " + program, limit: 3 * time.Minute, dir: dir,
		command: func(_ string, tests []string) []string {
			argv := []string{filepath.Join(dir, program), "--tap", "-k"}
			for _, t := range tests {
				argv = append(argv, "-p", t)
			}
			return argv
		},
		parse: parseTAP,
	}
}

func opensshSuite(test string) *suite {
	return &suite{
		name: "openssh " + test, limit: 5 * time.Minute,
		command: func(string, []string) []string {
			return []string{"sh", "-c", `d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT && /usr/lib/openssh/regress/run-tests "$d" t-exec LTESTS="$0" SUDO=`, test}
		},
		parse: parseOpenSSH,
	}
}

// stressSuite is one test: its exit status tells.
func stressSuite() *suite {
	return &suite{
		name: "stress-ng --sock", short: true, limit: 4 * time.Minute,
		command: func(string, []string) []string {
			return []string{"sh", "-c", `stress-ng --sock 2 --sock-ops 1000 --verify --timeout 60 >&2 && echo "@@ ok sock"`}
		},
		parse: func(out string) results { return parseLines(out, "@@ ") },
	}
}
