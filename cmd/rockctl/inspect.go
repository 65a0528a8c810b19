package main

import (
	"fmt"
	"io"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"rock/ckpt/image"
	"rock/rocks/group"
)

// inspected is an image, and what was found out about it.
type inspected struct {
	dir      string
	manifest *image.Manifest
	restored *image.Claim // nil if it was not
	bytes    int64
	verified bool  // all checksums were computed
	wrong    error // of which one does not match
}

func newInspect() *cobra.Command {
	var asJSON, verify, files bool
	cmd := &cobra.Command{
		Use:   "inspect DIR",
		Short: "show what is in an image",
		Long: `Shows what is in an image: where it comes from, its processes, connections and
files, and whether it was restored. Neither keys nor data are shown.

Exit status: 0 if the image is complete, and with --verify whole; else 1.`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			i, err := inspect(cmd, args[0], verify)
			if err != nil {
				return err
			}
			write := func(w io.Writer) error { return writeInspected(w, i, files) }
			if asJSON {
				write = func(w io.Writer) error { return writeJSON(w, i.json()) }
			}
			if err := write(cmd.OutOrStdout()); err != nil {
				return err
			}
			return i.wrong
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&files, "files", "v", false, "list the files too")
	f.BoolVar(&verify, "verify", false, "read everything and compare checksums")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// inspect looks at an image.
func inspect(cmd *cobra.Command, dir string, verify bool) (*inspected, error) {
	im, err := image.Open(dir)
	if err != nil {
		return nil, err
	}
	defer im.Close()
	i := &inspected{dir: im.Dir(), manifest: im.Manifest()}
	if i.restored, err = im.Claimed(); err != nil {
		return nil, err
	}
	for _, s := range i.manifest.Sums {
		i.bytes += s.Size
	}
	if !verify {
		return i, nil
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	p := newProgress(cmd.ErrOrStderr())
	i.wrong = im.Verify(ctx, func(done, total int64) { p.show(group.Progress{Phase: "verify", Done: done, Total: total}) })
	p.end()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("verify image %s: given up", i.dir)
	}
	i.verified = true
	return i, nil
}
