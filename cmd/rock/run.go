package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"rock/ckpt"
	"rock/rocks/group"
	"rock/rocks/group/front"
	"rock/rocks/remote"
)

// run runs the command. It returns only if it did not.
func (o *options) run(stderr io.Writer) error {
	fo := front.Options{
		Command: o.command, Name: o.name, Timeout: o.timeout, Localhost: o.localhost, Checkpointable: o.checkpointable, Rescue: ckpt.Rescue,
		Warn: func(line string) {
			if os.Getenv("ROCK_QUIET") != "1" {
				fmt.Fprintf(stderr, "rock: %s\n", line)
			}
		},
	}
	fo.Periodic = o.periodic(fo.Warn)
	logger := slog.New(slog.DiscardHandler)
	if o.log != "" {
		f, err := os.OpenFile(o.log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return fmt.Errorf("--log: %w", err)
		}
		fo.Log = f
		if f, err := os.OpenFile(o.log, os.O_WRONLY|os.O_APPEND, 0); err == nil { // the first is the supervisor's
			logger = slog.New(slog.NewTextHandler(f, nil))
		}
	}
	end := func() {}
	if o.remote {
		s, err := o.protect(logger, fo.Warn)
		if err != nil {
			return err
		}
		if s != nil {
			fo.Command, end = s.Command(), s.Close
		}
	}
	result, err := front.Run(fo)
	end()
	if err != nil {
		return err
	}
	front.Exit(result)
	return nil
}

// protect starts rockd on the host of the command. There is nothing to protect in one that does not connect to a host.
func (o *options) protect(logger *slog.Logger, warn func(string)) (*remote.Session, error) {
	c, err := remote.Parse(o.command)
	if errors.Is(err, remote.ErrOrdinary) {
		warn(fmt.Sprintf("-d: %v: it runs as without -d", err))
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("-d: %w", err)
	}
	settings, err := group.LoadSettings(os.Getenv)
	if err != nil {
		return nil, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	s, err := remote.Open(ctx, c, remote.Options{User: o.user, Install: o.install, Timeout: o.timeout, Self: self,
		Meet: settings.Rendezvous, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("-d: %w", err)
	}
	return s, nil
}
