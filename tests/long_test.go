//go:build long

package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"rock/tests/harness"
	"rock/tests/lab"
)

// longServer echoes.
const longServer = `
import asyncio
async def serve(r, w):
    try:
        while b := await r.read(65536):
            w.write(b)
            await w.drain()
        w.write_eof()
    finally:
        w.close()
async def main():
    s = await asyncio.start_server(serve, "", 7760, backlog=1024)
    print("listening", flush=True)
    await s.serve_forever()
asyncio.run(main())
`

// longClient does a round for each line of its input: so many connections, each with blocks of random sizes and contents now and then, for so
// many seconds, and short ones all the time. It tells how many blocks there were, how many short ones, and how many of these failed.
const longClient = `
import asyncio, os, random, sys
addr, conns, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
async def once(r, w):
    b = os.urandom(random.randrange(1, 4000))
    w.write(b)
    await w.drain()
    if await r.readexactly(len(b)) != b:
        raise Exception("other bytes came back")
async def end(r, w):
    w.write_eof()
    if await r.read():
        raise Exception("more bytes came than were sent")
    w.close()
async def long(r, w, until, count):
    while asyncio.get_running_loop().time() < until:
        await once(r, w)
        count[0] += 1
        await asyncio.sleep(random.uniform(0.2, 4))
    await end(r, w)
async def brief():
    r, w = await asyncio.open_connection(addr, 7760)
    try:
        await once(r, w)
        await end(r, w)
    finally:
        w.close()
async def short(until, count):
    while asyncio.get_running_loop().time() < until:
        # To connect fails while there is no network, as it does without rock; or gives an ordinary connection, which may not live.
        try:
            await asyncio.wait_for(brief(), 3)
            count[1] += 1
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            count[2] += 1
        await asyncio.sleep(random.uniform(0, 0.1))
async def round():
    made = [await asyncio.open_connection(addr, 7760) for _ in range(conns)]
    print("connected", flush=True)
    until = asyncio.get_running_loop().time() + seconds
    count = [0, 0, 0]
    tasks = [short(until, count) for _ in range(3)] + [long(r, w, until, count) for r, w in made]
    await asyncio.gather(*tasks)
    print("round", count, flush=True)
for line in sys.stdin:
    asyncio.run(round())
`

// burden is what a supervisor holds.
type burden struct{ descriptors, threads, memory int }

func burdenOf(t *testing.T, p harness.Process) burden {
	t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(p.Pid))
	count := func(what string) int {
		entries, err := os.ReadDir(filepath.Join(dir, what))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	return burden{count("fd"), count("task"), p.Memory()}
}

// Many connections and short ones live through one trouble after the other, their supervisors' deaths among them, round after
// round, and nothing is left of a round in the supervisors: descriptors, rocks, memory. It is run by scripts/conformance --long.
func TestLongRun(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	const crowd, seconds = 1000, 8
	rounds := 3
	if text := os.Getenv("ROCK_TEST_ROUNDS"); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil || rounds < 2 {
			t.Fatalf("ROCK_TEST_ROUNDS=%q is no number of rounds", text)
		}
	}
	l := lab.New(t)
	server := harness.Spec{Host: l.B, Side: harness.Rock, Argv: []string{harness.Python, "-uc", longServer}}.Start(t)
	server.WaitOutput(t, "listening")
	client := harness.Spec{Host: l.A, Side: harness.Rock, Argv: []string{harness.Python, "-uc", longClient,
		l.B.Addr(1).String(), strconv.Itoa(crowd), strconv.Itoa(seconds)}}.Start(t)
	hosts := []*lab.Host{l.A, l.B}
	var before [2]burden
	for i := range rounds {
		fmt.Fprintln(client.Stdin)
		client.WaitOutput(t, strings.Repeat(`(?s:.*)connected\n`, i+1))
		end := time.Now().Add(time.Duration(seconds) * time.Second)
		for n := i; time.Now().Before(end); n++ {
			trouble(t, l, n)
		}
		client.WaitOutput(t, strings.Repeat(`(?s:.*)round \[.*\]\n`, i+1))
		for k, h := range hosts {
			harness.Until(t, "no rock is left on "+h.Name, func() bool { return len(conns(t, h)) == 0 })
			// What the first round has brought in (a heap, warm pieces) stays, and what is still being given up, handshakes above all, goes; a
			// leak would stay, once for each connection.
			var now burden
			harness.Until(t, "as light a supervisor as after the first round on "+h.Name, func() bool {
				now = burdenOf(t, harness.SupervisorOf(t, h, "-uc", 0))
				was := before[k]
				return i == 0 || now.descriptors < was.descriptors+crowd/4 && now.threads < was.threads+crowd && now.memory < was.memory+64<<20
			})
			t.Logf("%s after round %d: %+v", h.Name, i+1, now)
			if i == 0 {
				before[k] = now
			}
		}
	}
	client.Stdin.Close()
	if res := client.Wait(t); res.Code != 0 {
		t.Errorf("client: exit status %d\n%s", res.Code, res.Stderr)
	}
	t.Logf("%s", client.LastOutput(`(round .*)`))
}

// trouble is one of several kinds, chosen by n.
func trouble(t *testing.T, l *lab.Lab, n int) {
	t.Helper()
	h := []*lab.Host{l.A, l.B}[n/7%2]
	switch n % 7 {
	case 0:
		harness.KillSupervisor(t, h, "-uc")
	case 1:
		h.Unplug(1)
		h.Plug(1)
	case 2:
		l.A.ChangeAddr(1)
	case 3:
		l.InjectRST(1)
	case 4:
		l.Swallow(1, true)
		time.Sleep(2 * time.Second) // as long as that lasts; nothing is waited for
		l.Swallow(1, false)
	case 5:
		h.Unplug(2)
		h.Plug(2)
	case 6:
		time.Sleep(time.Second) // of peace
	}
}
