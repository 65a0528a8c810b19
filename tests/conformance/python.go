package main

import (
	"slices"
	"time"
)

// Modules of Python's own tests that have to do with sockets, without those that need the world outside.
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

func pythonSuites() []*suite {
	var all []*suite
	for i, m := range slices.Concat(pythonShort, pythonLong) {
		all = append(all, pythonSuite("python "+m, "test."+m, i < len(pythonShort)))
	}
	return all
}

func pythonSuite(name, module string, short bool) *suite {
	return &suite{
		name: name, short: short, limit: 5 * time.Minute, known: knownPython, sides: []side{whole},
		command: func(_ string, tests []string) []string {
			return append([]string{"/usr/bin/python3", "-u", "-W", "ignore", "-c", pythonRunner, module}, tests...)
		},
		parse: parseMarked,
	}
}

// pythonRunner runs tests of one module, all or those that are named, and prints a line for each. Names of Python's own are
// without their package: test_socket.BasicTCPTest.testRecv.
const pythonRunner = `
import importlib, sys, unittest
from test import support
support.use_resources = ["network"]
module, names = sys.argv[1], set(sys.argv[2:])
whole = importlib.import_module(module)

def name(test):
    return test.id().split(" ")[0].removeprefix("test.")

class Result(unittest.TestResult):
    def say(self, test, what):
        sys.stderr.flush()
        print("\n@@", what, name(test), flush=True)
    def addSuccess(self, test): self.say(test, "ok")
    def addSkip(self, test, reason): self.say(test, "skipped")
    def addExpectedFailure(self, test, err): self.say(test, "ok")
    def addUnexpectedSuccess(self, test): self.say(test, "failed")
    def addError(self, test, err):
        print(self._exc_info_to_string(err, test), file=sys.stderr)
        self.say(test, "failed")
    addFailure = addError
    def addSubTest(self, test, sub, err):
        if err is not None:
            self.addError(test, err)

def each(suite):
    for t in suite:
        if isinstance(t, unittest.TestSuite):
            yield from each(t)
        elif "VSOCK" in name(t):
            pass  # waits for ever where there is no host
        elif not names or name(t) in names:
            yield t

suite = unittest.defaultTestLoader.loadTestsFromModule(whole)
unittest.TestSuite(each(suite)).run(Result())
`
