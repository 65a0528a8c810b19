package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

const long = `Runs a program with its TCP connections made reliable: they survive lost links,
new addresses and days without a network. To peers without rock nothing changes.`

const examples = `  rock ssh host               reliable if sshd runs under rock too
  rock --name web nginx       rockctl conns web shows its connections
  rock sh                     all that the shell starts`

const helpTemplate = `Usage: {{.UseLine}}

{{.Long}}

{{.Example}}

{{.LocalFlags.FlagUsagesWrapped 80}}
Exit status: that of the command; 125 rock failed, 126 the command cannot be
executed, 127 it was not found, 128+n it was killed by signal n.
ROCK_QUIET=1 keeps warnings away. Connections: rockctl. Manual: man rock.
`

// completeCommand completes the command with the programs of PATH, and its arguments with files.
func completeCommand(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || strings.Contains(prefix, "/") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var found []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			info, err := os.Stat(filepath.Join(dir, e.Name()))
			if strings.HasPrefix(e.Name(), prefix) && err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				found = append(found, e.Name())
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found), cobra.ShellCompDirectiveNoFileComp
}
