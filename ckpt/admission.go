package ckpt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"rock/ckpt/criu"
	"rock/ckpt/image"
	"rock/ckpt/survey"
	"rock/rocks"
	"rock/rocks/group"
	"rock/rocks/interpose"
)

// RestoreOptions are what the user of a restore may choose. They travel to the supervisor as stage.Restore.Options.
type RestoreOptions struct {
	// ResetRefused resets the rocks whose peers would not go on with them, instead of refusing to restore.
	ResetRefused bool `json:"reset_refused"`
	// CutGrown cuts files back that the group has written to since the image was made.
	CutGrown bool `json:"cut_grown"`
	// Arrived says that the image has just come from another host, where the group still is: it need not be read again to see
	// whether it is whole, nor its peers be asked.
	Arrived bool `json:"arrived"`
}

// Encode returns the options as they travel.
func (o RestoreOptions) Encode() []byte {
	b, _ := json.Marshal(o) // a struct of bools
	return b
}

func decodeRestoreOptions(b []byte) (o RestoreOptions, err error) {
	if len(b) == 0 {
		return o, nil
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return o, fmt.Errorf("decode options of the restore: %w", err)
	}
	return o, nil
}

// check says whether the image is whole and may be restored.
func (r *restorer) check(ctx context.Context) error {
	if by, err := r.image.Claimed(); err != nil {
		return err
	} else if by != nil {
		return fmt.Errorf("no restore: %w; should that have come to nothing (a crash), remove %s",
			&image.ClaimedError{Dir: r.image.Dir(), Claim: *by}, filepath.Join(r.image.Dir(), image.ClaimFile))
	}
	if r.options.Arrived {
		return r.readState()
	}
	verified := func(done, total int64) { r.progress(group.Progress{Phase: "verify", Done: done, Total: total}) }
	if err := r.image.Verify(ctx, verified); err != nil {
		return err
	}
	return r.readState()
}

// readState reads the state of the connections.
func (r *restorer) readState() error {
	b, err := r.image.Rocks()
	if err != nil {
		return err
	}
	if r.state, err = interpose.DecodeState(b); err != nil {
		return fmt.Errorf("image %s: %w", r.image.Dir(), err)
	}
	return nil
}

// preflight reports everything on this host that is in the way of a restore, at once. The group's cell must be there:
// programs have files of their cgroup open.
func (r *restorer) preflight() error {
	problems, _ := survey.Capabilities()
	var err error
	if r.tool, err = criu.Find(r.getenv); err != nil {
		problems = append(problems, survey.Problem{What: err.Error()})
	}
	m := r.image.Manifest()
	files := m.Files
	if r.options.CutGrown {
		cut := grown(files)
		files = slices.DeleteFunc(slices.Clone(files), func(f image.File) bool { return slices.Contains(cut, f) })
	}
	problems = append(problems, checkManifest(m, files, survey.Past{When: "at the checkpoint"})...)
	return preflight("restore", problems)
}

// checkManifest says what of a group this host does not have, or has given to others.
func checkManifest(m *image.Manifest, files []image.File, past survey.Past) []survey.Problem {
	problems := checkHost(m.Host, thisHost())
	problems = append(problems, survey.Free(pidsOf(m))...)
	problems = append(problems, survey.FreePTYs(m.PTYs)...)
	return append(problems, survey.CheckFiles(filesOf(files), past)...)
}

// Admit says what stands in the way of a group that is to come here: m describes it as it runs elsewhere, memory is how large
// it is, in bytes, and dir where its image is to be. Files for which comes says so come with it;
// remedy says what to do about one that is missing, or "" if the user knows. With freebind the group may listen at addresses
// that this host does not have.
func (e Engine) Admit(m *image.Manifest, memory int64, dir string, freebind bool, comes func(image.File) bool, remedy func(survey.File) string) []survey.Problem {
	problems, _ := survey.Capabilities()
	if _, err := criu.Find(e.Getenv); err != nil {
		problems = append(problems, survey.Problem{What: err.Error()})
	}
	files := slices.DeleteFunc(slices.Clone(m.Files), comes)
	problems = append(problems, checkManifest(m, files, survey.Past{When: "where the group is", Remedy: remedy})...)
	problems = append(problems, checkPorts(m.Listeners, freebind)...)
	return append(problems, checkSpace(dir, memory)...)
}

// Absent returns those addresses of public listeners that this host does not have.
func Absent(listeners []image.Listener) []string {
	var absent []string
	for _, l := range listeners {
		if c, err := net.Listen("tcp", l.Address); err == nil {
			c.Close()
		} else if errors.Is(err, unix.EADDRNOTAVAIL) {
			absent = append(absent, l.Address)
		}
	}
	return absent
}

// checkPorts says which addresses of public listeners are taken, and without freebind which are not of this host.
func checkPorts(listeners []image.Listener, freebind bool) []survey.Problem {
	var problems []survey.Problem
	for _, l := range listeners {
		c, err := net.Listen("tcp", l.Address)
		if freebind && errors.Is(err, unix.EADDRNOTAVAIL) {
			continue
		}
		if err != nil {
			problems = append(problems, portProblem(l.Address, err))
			continue
		}
		c.Close()
	}
	return problems
}

// portProblem says why a group cannot listen on an address here.
func portProblem(address string, err error) survey.Problem {
	host, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return survey.Problem{What: fmt.Sprintf("the group listens on %s, which is taken here", address),
			Remedy: "end what listens there (see ss -tlnp sport = :" + port + ")"}
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return survey.Problem{What: fmt.Sprintf("the group listens on %s, and this host does not have the address %s", address, host),
			Remedy: "start the server so that it listens on all addresses (0.0.0.0 or ::), or give this host that address (ip addr add)"}
	}
	return survey.Problem{What: fmt.Sprintf("the group listens on %s, which is not possible here: %v", address, err)}
}

// pidsOf returns all numbers that the processes need, those of threads left out: the manifest counts them
// only, and CRIU says which is taken.
func pidsOf(m *image.Manifest) []int {
	var pids []int
	for _, p := range m.Processes {
		pids = append(pids, p.PID, p.PGID, p.SID)
	}
	return pids
}

func filesOf(list []image.File) []survey.File {
	var files []survey.File
	for _, f := range list {
		files = append(files, survey.File{Path: f.Path, Size: f.Size, Mode: f.Mode, Kind: survey.Kind(f.Kind),
			BuildID: f.BuildID, PID: f.PID, FD: f.FD, Pos: f.Pos, Flags: f.Flags})
	}
	return files
}

// askTime is how long peers may take to say whether they would go on. One that cannot be reached now is looked for
// later: it has lost nothing.
const askTime = 2 * time.Second

// ask asks the peers of all rocks at once whether they would go on with them.
func (x *restore) ask(ctx context.Context) error {
	if x.options.Arrived {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	refused := make([]error, len(x.state.Rocks))
	var all sync.WaitGroup
	for i, st := range x.state.Rocks {
		all.Go(func() {
			err := x.job.Config.Endpoint.Ask(ctx, st)
			if errors.Is(err, rocks.ErrStaleEpoch) || errors.Is(err, rocks.ErrRolledBack) {
				refused[i] = err
			} else if err != nil {
				x.job.Logger.Info("peer not asked", "rock", st.ID, "error", err)
			}
		})
	}
	all.Wait()
	var lines []string
	for i, err := range refused {
		if err == nil {
			continue
		}
		why := "its peer has gone on with a newer copy of this group"
		if errors.Is(err, rocks.ErrRolledBack) {
			why = "its peer has gone on since this image was made"
		}
		x.job.Logger.Warn("peer refuses", "rock", x.state.Rocks[i].ID, "error", err)
		lines = append(lines, fmt.Sprintf("the connection to %v: %s", x.state.Rocks[i].Remote, why))
	}
	if len(lines) == 0 || x.options.ResetRefused {
		return nil
	}
	return fmt.Errorf("the image is out of date: %s; to restore the group all the same, with these connections reset, use --reset-refused",
		strings.Join(lines, "; "))
}

// claim notes in the image that it is being restored. Where nothing can be written, the peers alone see to it
// that it is not restored twice.
func (x *restore) claim() error {
	if x.options.Arrived {
		return nil
	}
	host, _ := os.Hostname()
	err := x.image.Claim(image.Claim{When: time.Now(), Host: host, Group: x.image.Manifest().Group.ID})
	if errors.Is(err, unix.EROFS) {
		return nil
	}
	if err != nil {
		return err
	}
	x.claimed = true
	return nil
}
