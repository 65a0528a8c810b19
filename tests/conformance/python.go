package main

// pythonRunner runs tests of one module of Python's own suite, all or those that are named, and prints a line for each. Names are
// without the package: test_socket.BasicTCPTest.testRecv.
const pythonRunner = `
import importlib, sys, unittest
from test import support
support.use_resources = ["network"]
module, names = sys.argv[1], set(sys.argv[2:])
whole = importlib.import_module("test." + module)

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
