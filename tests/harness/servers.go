package harness

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"rock/tests/lab"
)

// StartNginx starts nginx on a host.
func StartNginx(t testing.TB, h *lab.Host, side Side, dir string) *Proc {
	t.Helper()
	WaitFree(t, h, 8080)
	p := Nginx(t, h, side, dir).Start(t)
	WaitListening(t, h, 8080)
	return p
}

// Nginx is the command line of nginx with two workers that share the listeners, to
// serve the files in dir on port 8080, IPv4 and IPv6.
func Nginx(t testing.TB, h *lab.Host, side Side, dir string) Spec {
	t.Helper()
	own := TempDir(t)
	conf := filepath.Join(own, "nginx.conf")
	text := strings.ReplaceAll(`
daemon off;
user root;
worker_processes 2;
pid OWN/pid;
error_log stderr notice;
events { worker_connections 512; }
http {
	access_log off;
	sendfile on;
	client_body_temp_path OWN/body;
	proxy_temp_path OWN/proxy;
	fastcgi_temp_path OWN/fastcgi;
	uwsgi_temp_path OWN/uwsgi;
	scgi_temp_path OWN/scgi;
	server {
		listen 8080;
		listen [::]:8080;
		root `+dir+`;
	}
}
`, "OWN", own)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Spec{Host: h, Side: side, Argv: []string{"/usr/sbin/nginx", "-p", own, "-c", conf}}
}

// StartPythonHTTP starts python's http.server on a host.
func StartPythonHTTP(t testing.TB, h *lab.Host, side Side, user, dir string) *Proc {
	t.Helper()
	spec := PythonHTTP(h, side, dir)
	spec.User = user
	WaitFree(t, h, 8080)
	p := spec.Start(t)
	WaitListening(t, h, 8080)
	return p
}

// PythonHTTP is the command line of python's http.server (a thread per connection) on port 8080 with the
// files in dir.
func PythonHTTP(h *lab.Host, side Side, dir string) Spec {
	return Spec{Host: h, Side: side, Argv: []string{Python, "-m", "http.server", "--bind", "::", "--directory", dir, "8080"}}
}

// StartRedis starts a Redis server on a host's port 6379 that saves nothing.
func StartRedis(t testing.TB, h *lab.Host, side Side) *Proc {
	t.Helper()
	p := Redis(t, h, side).Start(t)
	p.WaitOutput(t, "Ready to accept connections")
	return p
}

// Redis is the command line of that server.
func Redis(t testing.TB, h *lab.Host, side Side) Spec {
	return Spec{Host: h, Side: side, Dir: TempDir(t), Argv: []string{"redis-server", "--port", "6379",
		"--bind", "0.0.0.0", "::", "--protected-mode", "no", "--save", "", "--appendonly", "no", "--enable-debug-command", "yes"}}
}

// PostgresUser is who runs PostgreSQL, which refuses to be run by root.
const PostgresUser = "postgres"

// StartPostgres starts a new PostgreSQL cluster on a host's port 5432, in which
// everybody is trusted.
func StartPostgres(t testing.TB, h *lab.Host, side Side) *Proc {
	t.Helper()
	dir := TempDir(t)
	own(t, dir, PostgresUser)
	data := filepath.Join(dir, "data")
	Spec{Host: h, User: PostgresUser, Dir: dir, Argv: []string{postgres(t, "initdb"), "-D", data,
		"-A", "trust", "-N", "--no-instructions", "-E", "UTF8"}}.Output(t)
	access := "host all all 0.0.0.0/0 trust\nhost all all ::0/0 trust\n"
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(access), 0o644); err != nil {
		t.Fatal(err)
	}
	p := Spec{Host: h, Side: side, User: PostgresUser, Dir: dir, Argv: []string{postgres(t, "postgres"), "-D", data,
		"-k", dir, "-c", "listen_addresses=*", "-c", "fsync=off", "-c", "shared_buffers=16MB"}}.Start(t)
	p.WaitOutput(t, "ready to accept connections")
	return p
}

// postgres is the path of one of PostgreSQL's own programs, which are not in PATH.
func postgres(t testing.TB, program string) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if err != nil || len(found) == 0 {
		t.Fatalf("no PostgreSQL: run scripts/setup (%v)", err)
	}
	return found[len(found)-1]
}

// Psql is the command line of psql, or of pgbench, for the server on a host.
func Psql(t testing.TB, program string, h *lab.Host, args ...string) []string {
	t.Helper()
	return append([]string{postgres(t, program), "-h", h.Addr(1).String(), "-U", PostgresUser}, args...)
}

// StartX starts an X server without a screen on a host, display 7 over TCP only.
func StartX(t testing.TB, h *lab.Host, side Side) *Proc {
	t.Helper()
	WaitFree(t, h, 6007)
	p := Spec{Host: h, Side: side, Argv: []string{"Xvfb", ":7", "-screen", "0", "640x480x24", "-ac", "-noreset",
		"-listen", "tcp", "-nolisten", "unix", "-nolisten", "local", "-nolock"}}.Start(t)
	WaitListening(t, h, 6007)
	return p
}

// Display is the value of DISPLAY for the X server on a host, seen from elsewhere.
func Display(h *lab.Host) string { return h.Addr(1).String() + ":" + strconv.Itoa(7) }
