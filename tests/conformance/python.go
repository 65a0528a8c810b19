package main

import (
	"slices"
	"strings"
	"time"
)

// Modules of Python's own tests that have to do with sockets, without those that need the world outside.
var pythonShort = []string{"test_socketserver", "test_ftplib", "test_telnetlib", "test_asynchat"}

var pythonLong = []string{
	"test_selectors", "test_socket", "test_ssl", "test_asyncore", "test_httplib", "test_httpservers", "test_smtplib", "test_smtpd",
	"test_imaplib", "test_poplib", "test_nntplib", "test_urllib", "test_urllib2", "test_urllib2_localnet", "test_robotparser", "test_wsgiref",
	"test_xmlrpc", "test_docxmlrpc", "test_select", "test_poll", "test_epoll", "test_eintr", "test_logging", "test_support",
	"test_signal", "test_os", "test_pty", "test_fork1", "test_threading", "test_subprocess", "test_concurrent_futures",
	"test_multiprocessing_fork", "test_multiprocessing_forkserver", "test_multiprocessing_spawn",
	"test_asyncio.test_base_events", "test_asyncio.test_buffered_proto", "test_asyncio.test_events", "test_asyncio.test_runners",
	"test_asyncio.test_selector_events", "test_asyncio.test_sendfile", "test_asyncio.test_server", "test_asyncio.test_sock_lowlevel",
	"test_asyncio.test_ssl", "test_asyncio.test_sslproto", "test_asyncio.test_streams", "test_asyncio.test_subprocess",
	"test_asyncio.test_unix_events",
}

// Modules of the tests of Tornado and Twisted, below tornado.test and twisted.
var (
	tornado = strings.Fields("asyncio auth http1connection httpclient httpserver ioloop iostream netutil process simple_httpclient tcpclient " +
		"tcpserver testing twisted web websocket")
	twisted = strings.Fields("internet.test.test_asyncioreactor internet.test.test_core internet.test.test_endpoints internet.test.test_epollreactor " +
		"internet.test.test_fdset internet.test.test_newtls internet.test.test_posixbase internet.test.test_process internet.test.test_socket " +
		"internet.test.test_stdio internet.test.test_tcp internet.test.test_threads internet.test.test_tls internet.test.test_udp internet.test.test_unix " +
		"test.test_amp test.test_application test.test_factories test.test_ftp test.test_ident test.test_internet test.test_loopback test.test_memcache " +
		"test.test_policies test.test_process test.test_socks test.test_ssl")
)

// knownPython are differences that are limits of rock's: see README.md.
var knownPython = map[string]string{
	"test_asyncore.TestAPI_UseIPv4Select.test_handle_expt": "urgent data arrives in line",
	"test_asyncore.TestAPI_UseIPv4Poll.test_handle_expt":   "urgent data arrives in line",
	"test_asyncore.TestAPI_UseIPv6Select.test_handle_expt": "urgent data arrives in line",
	"test_asyncore.TestAPI_UseIPv6Poll.test_handle_expt":   "urgent data arrives in line",

	// On the loopback interface, and only there, what is sent has arrived when the call returns.
	"test_epoll.TestEPoll.test_control_and_wait":                     "expects data within the call that sends it",
	"test_ssl.TestPreHandshakeClose.test_preauth_data_to_tls_server": "expects a reset within the call that sends it",
	"twisted.test.test_policies.ThrottlingTests.test_limit":          "expects the server's end closed within the call that closes the client's; its authors call it flaky",
}

func pythonSuites() []*suite {
	var all []*suite
	for i, m := range slices.Concat(pythonShort, pythonLong) {
		all = append(all, pythonSuite("python "+m, "test."+m, i < len(pythonShort)))
	}
	for _, m := range tornado {
		all = append(all, pythonSuite("tornado "+m, "tornado.test."+m+"_test", false))
	}
	for _, m := range twisted {
		all = append(all, pythonSuite("twisted "+m, "twisted."+m, false))
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
