package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// generated are the files that an installation makes from the command line's
// own description: hidden options of rock, since any word that is not an option
// is a program to run.
type generated struct {
	man        string // directory
	completion string // shell
}

// manLong is what the manual page says beyond the help.
const manLong = `The exit status is that of the command; 125 if rock failed itself, 126 if the
command cannot be executed, 127 if it was not found, and 128+n if signal n killed it.

Rules and timings are read from the file that ROCK_CONFIG names, else from
~/.config/rock/config.toml, else from /etc/rock/config.toml. Groups are registered in
ROCK_RUNTIME_DIR, else in $XDG_RUNTIME_DIR/rock, else in /run/rock for root. ROCK_QUIET=1
keeps warnings away.

With -k the command leads a session of its own and, where the user has a terminal, gets one of
its own: so the group can be written into an image and taken up again, here or elsewhere. That needs
root. When it has been written the exit status is 137, and rockctl restore goes on with it.

With --checkpoint-every an image is written again and again while the command runs, as
NAME-ID-TIME-NUMBER in the directory of --images-dir; only complete ones ever have such a name. What goes
wrong with one is told in the log, and on the command's standard error if that is a terminal; the command goes on.

See rockctl(1) for the connections of what runs under rock.`

func (g *generated) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&g.man, "generate-man", "", "write the manual page into a directory")
	f.StringVar(&g.completion, "generate-completion", "", "write the completion script for bash, zsh or fish")
	_ = f.MarkHidden("generate-man") // fails only for a name that is not there
	_ = f.MarkHidden("generate-completion")
}

// write does what was asked for; false if nothing was.
func (g *generated) write(cmd *cobra.Command, stdout io.Writer) (bool, error) {
	switch {
	case g.man != "":
		cmd.Long = long + "\n\n" + manLong
		cmd.DisableAutoGenTag = true
		header := &doc.GenManHeader{Title: "ROCK", Section: "1", Source: "rock " + version, Manual: "rock"}
		if err := doc.GenManTree(cmd, header, g.man); err != nil {
			return true, fmt.Errorf("write manual page into %s: %w", g.man, err)
		}
		return true, nil
	case g.completion == "bash":
		return true, cmd.GenBashCompletionV2(stdout, true)
	case g.completion == "zsh":
		return true, cmd.GenZshCompletion(stdout)
	case g.completion == "fish":
		return true, cmd.GenFishCompletion(stdout, true)
	case g.completion != "":
		return true, fmt.Errorf("no completion for %q: want bash, zsh or fish", g.completion)
	}
	return false, nil
}
