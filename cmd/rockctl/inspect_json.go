package main

import (
	"time"

	"rock/ckpt/image"
)

// The types below are what inspect --json writes. Scripts rely on these keys. Most are those of the manifest; keys of
// rocks and data are in neither.

type imageJSON struct {
	Dir        string           `json:"dir"`
	Created    time.Time        `json:"created"`
	Rock       string           `json:"rock"`
	CRIU       string           `json:"criu"`
	Host       hostJSON         `json:"host"`
	Group      imageGroupJSON   `json:"group"`
	Options    optionsJSON      `json:"options"`
	Stats      statsJSON        `json:"stats"`
	Root       int              `json:"root"`
	Processes  []processJSON    `json:"processes"`
	Rocks      []imageRockJSON  `json:"rocks"`
	Listeners  []listenerJSON   `json:"listeners"`
	Ordinary   []connectionJSON `json:"ordinary"`
	Files      []fileJSON       `json:"files"`
	Outside    []outsideJSON    `json:"outside"`
	Terminal   *terminalJSON    `json:"terminal"` // null without
	ImageBytes int64            `json:"image_bytes"`
	Restored   *restoredJSON    `json:"restored"` // null if it was not
	Whole      *bool            `json:"whole"`    // null without --verify
}

type hostJSON struct {
	Name    string `json:"name"`
	Machine string `json:"machine"`
	Boot    string `json:"boot"`
	Kernel  string `json:"kernel"`
	Arch    string `json:"arch"`
	CPU     string `json:"cpu"`

	Features []string `json:"cpu_features"`
	PageSize int      `json:"page_size"`
}

type imageGroupJSON struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Command []string  `json:"command"`
	Dir     string    `json:"dir"`
	Started time.Time `json:"started"`
}

type optionsJSON struct {
	TCPClose       bool `json:"tcp_close"`
	TCPEstablished bool `json:"tcp_established"`
	LeaveRunning   bool `json:"leave_running"`
}

type statsJSON struct {
	FrozenMicros  int64 `json:"frozen_us"`
	CRIUMicros    int64 `json:"criu_us"`
	QuiesceMicros int64 `json:"quiesce_us"`
	Pages         int64 `json:"pages"`
	PageBytes     int64 `json:"page_bytes"`
	DrainedBytes  int64 `json:"drained_bytes"`
	Sockets       int   `json:"sockets"`
}

type processJSON struct {
	PID     int    `json:"pid"`
	PPID    int    `json:"ppid"`
	PGID    int    `json:"pgid"`
	SID     int    `json:"sid"`
	Name    string `json:"name"`
	Exe     string `json:"exe"`
	Threads int    `json:"threads"`
	State   string `json:"state"`
}

type imageRockJSON struct {
	ID       string `json:"id"`
	Role     string `json:"role"`
	State    string `json:"state"`
	Local    string `json:"local"`
	Remote   string `json:"remote"`
	Epoch    uint32 `json:"epoch"`
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
	InFlight int64  `json:"in_flight"`
	Unread   int64  `json:"unread"`
}

type listenerJSON struct {
	Address string `json:"address"`
	PID     int    `json:"pid"`
	FD      int    `json:"fd"`
}

type connectionJSON struct {
	Local  string `json:"local"`
	Remote string `json:"remote"`
	PID    int    `json:"pid"`
	FD     int    `json:"fd"`
	Fate   string `json:"fate"`
}

type fileJSON struct {
	Path    string `json:"path"`
	Size    int64  `json:"size"`
	Mode    uint32 `json:"mode"`
	Kind    string `json:"kind"`
	BuildID string `json:"build_id"`
	PID     int    `json:"pid"`
	FD      int    `json:"fd"`
	Pos     int64  `json:"pos"`
	Flags   int    `json:"flags"`
}

type outsideJSON struct {
	Key   string `json:"key"`
	FD    int    `json:"fd"`
	Write bool   `json:"write"`
}

type terminalJSON struct {
	Rows uint16 `json:"rows"`
	Cols uint16 `json:"cols"`
}

type restoredJSON struct {
	When  time.Time `json:"when"`
	Host  string    `json:"host"`
	Group string    `json:"group"`
}

func (i *inspected) json() imageJSON {
	m := i.manifest
	j := imageJSON{
		Dir: i.dir, Created: m.Created, Rock: m.Rock, CRIU: m.CRIU, Host: hostJSON(m.Host), Group: imageGroupJSON(m.Group),
		Options: optionsJSON(m.Options), Stats: statsJSON(m.Stats), Root: m.Root, ImageBytes: i.bytes,
		Processes: each(m.Processes, func(p image.Process) processJSON { return processJSON(p) }),
		Rocks:     each(m.Rocks, func(r image.Rock) imageRockJSON { return imageRockJSON(r) }),
		Listeners: each(m.Listeners, func(l image.Listener) listenerJSON { return listenerJSON(l) }),
		Ordinary:  each(m.Ordinary, func(c image.Connection) connectionJSON { return connectionJSON(c) }),
		Files:     each(m.Files, func(f image.File) fileJSON { return fileJSON(f) }),
		Outside:   each(m.Outside, func(o image.Outside) outsideJSON { return outsideJSON(o) }),
		Restored:  (*restoredJSON)(i.restored),
	}
	if t := m.Terminal; t != nil {
		j.Terminal = &terminalJSON{t.Rows, t.Cols}
	}
	if i.verified {
		whole := i.wrong == nil
		j.Whole = &whole
	}
	return j
}

// each converts a list. It is never nil, which would be null.
func each[A, B any](list []A, convert func(A) B) []B {
	out := make([]B, len(list))
	for i, a := range list {
		out[i] = convert(a)
	}
	return out
}
