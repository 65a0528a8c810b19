package remote

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Command is a command line of ssh or scp.
type Command struct {
	argv    []string
	program string   // "ssh" or "scp"
	options []string // those that say how to reach the host, as ssh has them
	host    string   // as ssh takes it: [user@]host or ssh://[user@]host[:port]
	at      int      // index in argv behind the options that precede the host, or else what is copied
	jumps   []int    // indices in argv of -J options; if it is one word with its argument, of that
}

// ErrOrdinary says that a command does not connect to a host, or to more than one.
var ErrOrdinary = errors.New("the command does not connect to one host")

// flags are the options of a program: those with an argument, and those that make it do something else than to connect.
type flags struct {
	arguments string
	other     string
	pass      string          // options that say how to reach the host
	rename    map[byte]string // to what ssh calls them
	operands  func(*Command, []string) error
	interlace bool // options may stand behind the first operand
}

// From ssh(1) and scp(1) of OpenSSH 9.9.
var programs = map[string]flags{
	"ssh": {arguments: "BbcDEeFIiJLlmOoPpQRSWw", other: "GOQV", pass: "46BbcFIiJlmoPpS", operands: sshOperands, interlace: true},
	"scp": {arguments: "cDFiJloPSX", other: "D", pass: "46cFiJoP", rename: map[byte]string{'P': "-p"}, operands: scpOperands},
}

// IsRemoteShell says whether a command is one that [Parse] knows.
func IsRemoteShell(command string) bool {
	_, ok := programs[filepath.Base(command)]
	return ok
}

// Parse understands a command line, as ssh and scp do. ErrOrdinary is for those that are not for us; what ssh would not
// understand either is its to complain about, and the same.
func Parse(argv []string) (*Command, error) {
	if len(argv) == 0 || !IsRemoteShell(argv[0]) {
		return nil, fmt.Errorf("%w: it is neither ssh nor scp", ErrOrdinary)
	}
	c := &Command{argv: argv, program: filepath.Base(argv[0])}
	f := programs[c.program]
	operands, err := c.scan(f)
	if err != nil {
		return nil, err
	}
	if err := f.operands(c, operands); err != nil {
		return nil, err
	}
	return c, nil
}

// scan reads the options (getopt(3)) and returns the operands.
func (c *Command) scan(f flags) (operands []string, err error) {
	i := 1
	for ; i < len(c.argv); i++ {
		word := c.argv[i]
		if word == "--" {
			i++
			break
		}
		if len(word) < 2 || word[0] != '-' {
			if !f.interlace || len(operands) > 0 {
				break
			}
			operands, c.at = append(operands, word), i
			continue
		}
		if i, err = c.option(f, i); err != nil {
			return nil, err
		}
	}
	if len(operands) == 0 {
		c.at = min(i, len(c.argv))
		if c.at > 1 && c.argv[c.at-1] == "--" {
			c.at--
		}
	}
	return append(operands, c.argv[min(i, len(c.argv)):]...), nil
}

// option reads the word at i, which has options, and returns the index of the last word that belongs to them.
func (c *Command) option(f flags, i int) (last int, err error) {
	word := c.argv[i]
	for j := 1; j < len(word); j++ {
		name := word[j]
		if strings.IndexByte(f.other, name) >= 0 {
			return i, fmt.Errorf("%w: -%c is for something else", ErrOrdinary, name)
		}
		as := "-" + string(name)
		if to, ok := f.rename[name]; ok {
			as = to
		}
		pass := strings.IndexByte(f.pass, name) >= 0
		if strings.IndexByte(f.arguments, name) < 0 {
			if pass {
				c.options = append(c.options, as)
			}
			continue
		}
		first, argument := i, word[j+1:]
		if argument == "" {
			if i++; i == len(c.argv) {
				return i, fmt.Errorf("%w: -%c lacks its argument", ErrOrdinary, name)
			}
			argument = c.argv[i]
		}
		if pass {
			c.options = append(c.options, as, argument)
		}
		if name == 'J' {
			if j > 1 {
				return i, fmt.Errorf("%w: give -J as a word of its own", ErrOrdinary)
			}
			for ; first <= i; first++ {
				c.jumps = append(c.jumps, first)
			}
		}
		break
	}
	return i, nil
}

func sshOperands(c *Command, operands []string) error {
	if len(operands) == 0 || operands[0] == "" {
		return fmt.Errorf("%w: it names none", ErrOrdinary)
	}
	c.host = operands[0]
	return nil
}

// scpOperands finds the one host that is copied from or to.
func scpOperands(c *Command, operands []string) error {
	for _, o := range operands {
		host := scpHost(o)
		if host == "" || host == c.host {
			continue
		}
		if c.host != "" {
			return fmt.Errorf("%w: it copies from one to the other", ErrOrdinary)
		}
		c.host = host
	}
	if c.host == "" {
		return fmt.Errorf("%w: it names none", ErrOrdinary)
	}
	return nil
}

// scpHost returns the host of [user@]host:path or scp://[user@]host[:port]/path, "" for a file here.
func scpHost(operand string) string {
	if rest, ok := strings.CutPrefix(operand, "scp://"); ok {
		host, _, _ := strings.Cut(rest, "/")
		if host == "" {
			return ""
		}
		return "ssh://" + host
	}
	bracket := strings.IndexByte(operand, '[')
	if end := strings.Index(operand, "]:"); bracket >= 0 && end > bracket && !strings.Contains(operand[:bracket], "/") {
		return operand[:bracket] + operand[bracket+1:end]
	}
	host, _, found := strings.Cut(operand, ":")
	if !found || host == "" || strings.Contains(host, "/") {
		return ""
	}
	return host
}

// with returns the command line with other options: first before all that the user gave, so that they come before those, and
// last before the host, so that they only come before what ssh's files say. -J is left out: ssh has it in another way.
func (c *Command) with(first, last []string) []string {
	argv := append([]string{c.argv[0]}, first...)
	for i, word := range c.argv[1:] {
		if i+1 == c.at {
			argv = append(argv, last...)
		}
		if !slices.Contains(c.jumps, i+1) {
			argv = append(argv, word)
		}
	}
	if c.at == len(c.argv) {
		argv = append(argv, last...)
	}
	return argv
}
