package main

import (
	"path/filepath"
	"strings"
	"time"
)

// installed are test programs that packages install below /usr/libexec/installed-tests, by directory.
var installed = []struct{ dir, programs string }{
	{"glib", "socket socket-listener socket-service gsocketclient-slow network-monitor pollable tls-bindings gdbus-peer " +
		"gdbus-connection gdbus-server-auth gdbus-non-socket converter-stream srvtarget socket-address"},
}

func installedSuites() []*suite {
	var all []*suite
	for _, i := range installed {
		for _, p := range strings.Fields(i.programs) {
			all = append(all, installedSuite(i.dir, p))
		}
	}
	return all
}

func installedSuite(project, program string) *suite {
	dir := filepath.Join("/usr/libexec/installed-tests", project)
	return &suite{
		name: project + " " + program, limit: 3 * time.Minute, dir: dir, sides: []side{whole},
		command: func(_ string, tests []string) []string {
			argv := []string{filepath.Join(dir, program), "--tap", "-k"}
			for _, t := range tests {
				argv = append(argv, "-p", t)
			}
			return argv
		},
		parse: parseTAP,
	}
}
