package ckpt

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"rock/ckpt/image"
	"rock/ckpt/survey"
	"rock/rocks/interpose"
	"rock/rocks/interpose/tracee"
)

// newManifest says where the image comes from.
func (c *checkpoint) newManifest(e Engine) *image.Manifest {
	s := c.subject
	dir, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", s.Root))
	return &image.Manifest{
		Rock: e.Rock, Host: thisHost(), Root: s.Root,
		Group: image.Group{ID: s.ID, Name: s.Name, Command: s.Command, Dir: dir, Started: s.Started},
		Options: image.Options{
			TCPClose: !c.options.TCPEstablished, TCPEstablished: c.options.TCPEstablished, LeaveRunning: c.options.LeaveRunning,
		},
	}
}

func line(path string) string {
	b, _ := os.ReadFile(path)
	return strings.TrimSpace(string(b))
}

// lookAgain describes the processes as they stand still.
func (c *checkpoint) lookAgain(pids []int) error {
	now, err := c.survey(pids, true)
	if err != nil {
		return err
	}
	fillSurvey(c.manifest, now, c.options.TCPEstablished)
	c.manifest.Terminal = c.terminal
	return nil
}

// writeConnections writes the state of the connections, while CRIU is at work.
func (c *checkpoint) writeConnections() error {
	st := &interpose.State{Version: interpose.StateVersion, Home: netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	if c.suspension != nil {
		st = c.suspension.State()
	}
	c.state = st
	b, err := st.Encode()
	if err != nil {
		return err
	}
	fillConnections(c.manifest, st)
	return c.draft.Write(image.RocksFile, b)
}

// fillConnections describes rocks and public listeners.
func fillConnections(m *image.Manifest, st *interpose.State) {
	for _, r := range st.Rocks {
		m.Rocks = append(m.Rocks, image.Rock{
			ID: r.ID.String(), Role: r.Role.String(), State: "suspended", Local: r.Local.String(), Remote: r.Remote.String(),
			Epoch: r.Epoch, Sent: r.Sent, Received: r.Received, InFlight: int64(len(r.Flight)), Unread: int64(len(r.Input)),
		})
	}
	for _, l := range st.Listeners {
		m.Listeners = append(m.Listeners, image.Listener{Address: l.Address.String(), PID: l.Place.PID, FD: l.Place.FD})
	}
	for _, l := range st.Legs {
		if l.Rock >= 0 {
			m.Rocks[l.Rock].Unread += int64(len(l.ToProgram))
			m.Rocks[l.Rock].InFlight += int64(len(l.ToPeer))
		}
	}
}

// fillSurvey describes processes, files and what is ordinary.
func fillSurvey(m *image.Manifest, s *survey.Survey, keepTCP bool) {
	for _, p := range s.Processes {
		m.Processes = append(m.Processes, image.Process{PID: p.PID, PPID: p.Parent, PGID: p.Group, SID: p.Session,
			Name: p.Name, Exe: p.Exe.Path, Threads: len(p.Threads), State: string(p.State)})
	}
	m.PTYs = s.PTYs
	for _, f := range s.Files {
		m.Files = append(m.Files, image.File{Path: f.Path, Size: f.Size, Mode: f.Mode, Kind: string(f.Kind),
			BuildID: f.BuildID, PID: f.PID, FD: f.FD, Pos: f.Pos, Flags: f.Flags})
	}
	fate := image.FateClosed
	if keepTCP {
		fate = image.FateKept
	}
	for _, o := range s.Ordinary {
		m.Ordinary = append(m.Ordinary, image.Connection{Local: o.Local.String(), Remote: o.Remote.String(),
			PID: o.PID, FD: o.FD, Fate: fate})
	}
	for _, o := range s.Outside {
		m.Outside = append(m.Outside, image.Outside{Key: o.Key, FD: o.FD, Write: o.Write})
	}
}

// findTerminal describes the group's terminal, as one of its processes has it open.
func (c *checkpoint) findTerminal() error {
	for _, t := range c.looked.Terminals {
		if !t.Ours {
			continue
		}
		fd, err := tracee.GetFD(t.PID, t.FD)
		if err != nil {
			continue // it has just closed it
		}
		defer unix.Close(fd)
		var st unix.Stat_t
		err = unix.Fstat(fd, &st)
		modes, err2 := unix.IoctlGetTermios(fd, unix.TCGETS)
		size, err3 := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err := errors.Join(err, err2, err3); err != nil {
			return fmt.Errorf("read the modes of the terminal: %w", err)
		}
		c.terminal = &image.Terminal{Key: terminalKey(st.Rdev, st.Dev), Rows: size.Row, Cols: size.Col, Termios: termiosBytes(modes)}
		return nil
	}
	return nil
}

// fillStats notes what the checkpoint has cost so far.
func (c *checkpoint) fillStats() {
	s := &c.manifest.Stats
	s.QuiesceMicros = c.quiet.Sub(c.frozen).Microseconds()
	s.CRIUMicros = c.dumped.Sub(c.quiet).Microseconds()
	s.FrozenMicros = c.dumped.Sub(c.frozen).Microseconds()
	if c.suspension != nil {
		is := c.suspension.Stats()
		s.DrainedBytes, s.Sockets = int64(is.Drained), is.Sockets
	}
	s.PageBytes = pageBytes(c.draft.Path())
	s.Pages = s.PageBytes / int64(os.Getpagesize())
}

// pageBytes adds up the memory in CRIU's images, in bytes.
func pageBytes(dir string) (total int64) {
	files, _ := filepath.Glob(filepath.Join(dir, "pages-*.img"))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			total += info.Size()
		}
	}
	return total
}
