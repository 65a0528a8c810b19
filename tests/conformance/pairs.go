package main

import (
	"embed"
	"os"
	"path"
	"path/filepath"
	"time"
)

//go:embed pairs/*.sh
var scenarios embed.FS

// pairs are clients and servers that are known far and wide. Each is a script in pairs, which says what it does.
var pairs = []string{"ftp", "git", "http", "mpi", "postgres", "redis", "rsync", "smtp", "x11"}

// pairShort are those of them that take some seconds only.
var pairShort = map[string]bool{"mpi": true, "smtp": true}

func pairSuite(name string) *suite {
	return &suite{
		name: "pair " + name, short: pairShort[name], limit: 5 * time.Minute, sides: []side{clients, servers, both},
		prepare: func(dir string) error {
			scripts, err := scenarios.ReadDir("pairs")
			if err != nil {
				return err
			}
			for _, s := range scripts {
				text, err := scenarios.ReadFile(path.Join("pairs", s.Name()))
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(dir, s.Name()), text, 0o644); err != nil {
					return err
				}
			}
			return os.Chmod(dir, 0o711) // for servers that are not root
		},
		command: func(dir string, tests []string) []string {
			return append([]string{"bash", filepath.Join(dir, name+".sh")}, tests...)
		},
		parse: parseMarked,
	}
}
