package ckpt

import (
	"context"
	"time"

	"rock/ckpt/image"
	"rock/ckpt/survey"
	"rock/rocks"
	"rock/rocks/group"
	"rock/rocks/group/supervise"
)

// Destination is where a group goes instead of into an image of this host; package migrate has one. Its methods are
// called in this order, from one goroutine.
type Destination interface {
	// Announce tells, while the group still runs, what will come: m has what can be known now, memory is how
	// large it will be, at most, in bytes, and problems are what is in the way here. An error says why it cannot come; it is
	// not nil if there are problems.
	Announce(ctx context.Context, m *image.Manifest, memory int64, problems []survey.Problem) error
	// Prepare is called while the group runs, when it may come: what can be sent before it stands still is sent now.
	Prepare(ctx context.Context) error
	// Follow is told that CRIU begins to write into dir, and that the group stands still. It must not block.
	Follow(ctx context.Context, dir string)
	// Deliver hands the rest over: dir is complete, but for the manifest m. When it returns nil the group lives there, and
	// its processes here are killed; after an error it goes on here. So it returns only when that is decided.
	Deliver(ctx context.Context, dir string, m *image.Manifest) error
}

// HandedOver tells of a group that went elsewhere.
type HandedOver struct {
	Began, Frozen, Quiet, Dumped, Ended time.Time // the times at which it came so far
	Manifest                            *image.Manifest
	Rocks                               []*rocks.State
	Drained                             int64    // bytes taken out of sockets
	Warnings                            []string // for the user
}

// HandOver writes a group to another place, and ends it when it lives there. After an error, the group goes on. Only the Dir
// of o counts beside TCPEstablished: where CRIU writes meanwhile.
func (e Engine) HandOver(ctx context.Context, s supervise.Subject, o group.CheckpointOptions, to Destination, progress func(group.Progress)) (*HandedOver, error) {
	c := &checkpoint{subject: s, options: o, progress: progress, to: to, began: time.Now()}
	if err := c.make(ctx, e); err != nil {
		return nil, err
	}
	defer c.draft.Abandon()
	r := c.report()
	return &HandedOver{Began: c.began, Frozen: c.frozen, Quiet: c.quiet, Dumped: c.dumped, Ended: c.ended,
		Manifest: c.manifest, Rocks: c.state.Rocks, Drained: r.Drained, Warnings: r.Warnings}, c.bury()
}

// what it is that is being made.
func (c *checkpoint) what() string {
	if c.to != nil {
		return "migration"
	}
	return "checkpoint"
}

// announce describes the group as it runs: what it is when it stands still is described then.
func (c *checkpoint) announce(ctx context.Context, problems []survey.Problem) error {
	m := *c.manifest
	fillSurvey(&m, c.looked, c.options.TCPEstablished)
	m.Terminal = c.terminal
	if ip := c.subject.Interposer; ip != nil {
		for _, a := range ip.Listening() {
			m.Listeners = append(m.Listeners, image.Listener{Address: a.String()})
		}
	}
	return c.to.Announce(ctx, &m, c.looked.Memory, problems)
}

// deliver hands the group over. From then on it lives elsewhere.
func (c *checkpoint) deliver(ctx context.Context) error {
	if err := c.complete(); err != nil {
		return err
	}
	err := c.to.Deliver(ctx, c.draft.Path(), c.manifest)
	c.kept = err == nil
	return err
}
