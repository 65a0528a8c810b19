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
	// Without those that want an Apache with PHP for threads; continue-test, which wants what client and server do in the order in
	// which the loopback interface has it; and server-test and ssl-test, which do not end each time.
	{"libsoup-3.0", "cache-test chunk-io-test coding-test context-test cookies-test forms-test hsts-test " +
		"http2-body-stream-test http2-test logger-test misc-test multipart-test no-ssl-test ntlm-test redirect-test request-body-test " +
		"samesite-test server-auth-test session-test sniffing-test streaming-test timeout-test unix-socket-test websocket-test"},
	{"glib-networking", "connection-gnutls certificate-gnutls file-database-gnutls"},
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
