package supervise

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"

	"rock/rocks"
	"rock/rocks/detect"
	"rock/rocks/estate"
	"rock/rocks/group"
	"rock/rocks/interpose"
	"rock/rocks/interpose/seccomp"
	"rock/rocks/rendezvous"
)

// withRocks is a command under the filter, with the endpoint that owns its rocks.
type withRocks struct {
	endpoint   *rocks.Endpoint
	interposer *interpose.Interposer
	estate     *estate.Estate // nil: all ends with this process
}

// interposed starts the command with its connections on rocks.
func interposed(settings group.Settings, log *slog.Logger, p seccomp.Process) (interposition, *os.Process, error) {
	cfg, err := interposeConfig(settings, log, 0)
	if err != nil {
		return nil, nil, err
	}
	ip, process, err := interpose.Start(cfg, p)
	if err != nil {
		_ = cfg.Endpoint.Close()
		return nil, nil, err
	}
	return &withRocks{cfg.Endpoint, ip, cfg.Estate}, process, nil
}

// interposeConfig opens an endpoint and returns what an Interposer works with. The endpoint listens for peers that
// resume on a port, if that is free, else on any.
func interposeConfig(settings group.Settings, log *slog.Logger, port uint16) (interpose.Config, error) {
	cfg := rocks.Config{
		Network: rocks.System(), Logger: log,
		Heartbeat: settings.Heartbeat, Misses: settings.Misses, Timeout: settings.Timeout,
		MaxBackoff: settings.Backoff, FlightLimit: settings.FlightLog, ReceiveLimit: settings.Receive,
		ResumeAddr: netip.AddrPortFrom(netip.IPv6Unspecified(), port),
	}
	if len(settings.Rendezvous) > 0 {
		cfg.Rendezvous = rendezvous.NewClient(settings.Rendezvous)
	}
	kept, err := estate.New()
	if err != nil {
		log.Warn("the connections would not survive this process", "error", err)
	} else {
		cfg.Estate = interpose.Estate(kept)
	}
	endpoint, err := rocks.NewEndpoint(cfg)
	if err != nil && port != 0 {
		log.Warn("peers that move at the same time may not find this group", "error", err)
		cfg.ResumeAddr = netip.AddrPort{}
		endpoint, err = rocks.NewEndpoint(cfg)
	}
	if err != nil {
		return interpose.Config{}, fmt.Errorf("open endpoint: %w", err)
	}
	return interpose.Config{
		Endpoint: endpoint, Logger: log, Rules: detect.NewRules(settings.Rules, nil), Hold: settings.Hold, Estate: kept,
	}, nil
}

// Rocks describes the rocks, for the control socket.
func (w *withRocks) Rocks() []group.Rock {
	infos := w.endpoint.Conns()
	list := make([]group.Rock, 0, len(infos))
	for _, i := range infos {
		list = append(list, group.Rock{
			ID: i.ID.String(), State: i.State, Local: i.Local.String(), Remote: i.Remote.String(),
			Role: i.Role.String(), Epoch: i.Epoch, InFlight: i.InFlight, Since: i.Since, Error: i.LastError,
		})
	}
	return list
}

// ListenerFile returns a duplicate of the seccomp listener.
func (w *withRocks) ListenerFile() (*os.File, error) { return w.interposer.ListenerFile() }

// ProgressFile returns the file that tells which call was received last.
func (w *withRocks) ProgressFile() *os.File { return w.interposer.ProgressFile() }

// Done is closed when no process of the group is left.
func (w *withRocks) Done() <-chan struct{} { return w.interposer.Done() }

// Close waits until all is delivered, or ctx ends, and ends the rocks.
func (w *withRocks) Close(ctx context.Context) error {
	err := w.interposer.Close(ctx)
	if closeErr := w.endpoint.Close(); err == nil {
		err = closeErr
	}
	return err
}
