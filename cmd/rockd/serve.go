package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"rock/rocks/rendezvous"
	"rock/rocks/rendezvous/disk"
	"rock/rocks/rendezvous/etcd"
)

// serving is rockd serve.
type serving struct {
	listen, store, metrics string
	etcd                   []string
	names                  int
	config                 rendezvous.ServerConfig
	noRelay                bool
	logger                 *slog.Logger
}

func newServe() *cobra.Command {
	var o serving
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "be a rendezvous for ends that have both moved",
		Long: `Serves as a rendezvous: two ends of a connection that have lost each other because
both have moved leave word here where they are. If they cannot reach each other
at all, what they say goes through here. They use it if their rock is told of it,
by ROCK_RENDEZVOUS=HOST or in its config file.

Nobody needs an account: who leaves word proves that it is his, and what is left
is signed. A socket of systemd's is used if there is one (rockd.socket).`,
		Example: `  rockd serve
  rockd serve --etcd etcd-a:2379,etcd-b:2379    several share what they know`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.noRelay {
				o.config.Pairs = -1
			}
			o.logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			ctx, stop := signal.NotifyContext(cmd.Context(), unix.SIGTERM, unix.SIGINT)
			defer stop()
			return o.run(ctx)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.listen, "listen", ":"+rendezvous.DefaultPort, "`ADDRESS` to listen at")
	f.StringVar(&o.store, "store", "", "`FILE` for what is known, or \"memory\" (default rockd/words in\n$STATE_DIRECTORY, $XDG_STATE_HOME, ~/.local/state or, for root, /var/lib)")
	f.StringSliceVar(&o.etcd, "etcd", nil, "keep it in the etcd cluster at `HOST:PORT,...` instead")
	f.IntVar(&o.names, "names", 100_000, "most ends at once")
	f.IntVar(&o.config.PerHost, "per-host", 64, "most connections at once from one host")
	f.IntVar(&o.config.Names, "names-per-host", 5000, "most of them in an hour from one host")
	f.IntVar(&o.config.Pairs, "pairs", 512, "most pairs at once that go through here")
	f.IntVar(&o.config.Rate, "rate", 4<<20, "bytes a second each way of a pair")
	f.BoolVar(&o.noRelay, "no-relay", false, "let none go through here")
	f.StringVar(&o.metrics, "metrics", "", "serve metrics for Prometheus at http://`ADDRESS`/metrics")
	return cmd
}

// run serves until ctx is done.
func (o *serving) run(ctx context.Context) error {
	for name, n := range map[string]int{"names": o.names, "per-host": o.config.PerHost, "names-per-host": o.config.Names, "rate": o.config.Rate} {
		if n < 1 {
			return fmt.Errorf("--%s %d: one at least", name, n)
		}
	}
	if o.config.Pairs < 1 && !o.noRelay {
		return fmt.Errorf("--pairs %d: one at least, or --no-relay", o.config.Pairs)
	}
	store, closer, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err := closer.Close(); err != nil {
			o.logger.Warn("store not closed", "error", err)
		}
	}()
	o.config.Store, o.config.Logger = store, o.logger
	s := rendezvous.NewServer(o.config)
	defer s.Close()
	if o.metrics != "" {
		stop, err := o.serveMetrics(s)
		if err != nil {
			return err
		}
		defer stop()
	}
	listeners, err := o.listeners()
	if err != nil {
		return err
	}
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		o.logger.Info("listening", "address", l.Addr())
		go func() { ended <- s.Serve(l) }()
	}
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // who is not there need not know
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

// open opens the store.
func (o *serving) open(ctx context.Context) (rendezvous.Store, io.Closer, error) {
	switch {
	case len(o.etcd) > 0 && o.store != "":
		return nil, nil, errors.New("--store and --etcd: one of them")
	case len(o.etcd) > 0:
		s, err := etcd.Open(ctx, o.etcd)
		return s, s, err
	case o.store == "memory":
		return rendezvous.NewMemory(o.names), io.NopCloser(nil), nil
	}
	path := o.store
	if path == "" {
		var err error
		if path, err = defaultStore(os.Getenv); err != nil {
			return nil, nil, err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, nil, fmt.Errorf("--store: %w", err)
		}
	}
	s, err := disk.Open(path, o.names)
	if err != nil {
		return nil, nil, fmt.Errorf("--store: %w", err)
	}
	return s, s, nil
}

// defaultStore is where state is kept (systemd.exec(5), XDG Base Directory Specification).
func defaultStore(getenv func(string) string) (string, error) {
	const name = "words"
	if dir := getenv("STATE_DIRECTORY"); dir != "" {
		return filepath.Join(dir, name), nil
	}
	if os.Geteuid() == 0 {
		return filepath.Join("/var/lib/rockd", name), nil
	}
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rockd", name), nil
	}
	home := getenv("HOME")
	if home == "" {
		return "", errors.New("where to keep what is known? --store FILE, or --store memory")
	}
	return filepath.Join(home, ".local/state/rockd", name), nil
}

// listeners returns the sockets of systemd's, or one of our own.
func (o *serving) listeners() ([]net.Listener, error) {
	all, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take the sockets of systemd: %w", err)
	}
	if len(all) > 0 {
		return all, nil
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	return []net.Listener{l}, nil
}

// serveMetrics serves them until stop is called.
func (o *serving) serveMetrics(s *rendezvous.Server) (stop func(), err error) {
	l, err := net.Listen("tcp", o.metrics)
	if err != nil {
		return nil, fmt.Errorf("--metrics: %w", err)
	}
	h := &http.Server{Handler: metrics(s), ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			o.logger.Warn("metrics", "error", err)
		}
	}()
	return func() {
		_ = h.Close()
		<-ended
	}, nil
}
