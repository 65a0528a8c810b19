package remote

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct{ command, options, host, with string }{
		{"ssh host", "", "host", "ssh F L host"},
		{"/usr/bin/ssh -p 22 me@host ls -J x", "-p 22", "me@host", "/usr/bin/ssh F -p 22 L me@host ls -J x"},
		{"ssh -tAp22 -J gate host", "-p 22 -J gate", "host", "ssh F -tAp22 L host"},
		{"ssh -Jgate -oUser=me host", "-J gate -o User=me", "host", "ssh F -oUser=me L host"},
		{"ssh host -p 23 -J gate -- ls -l", "-p 23 -J gate", "host", "ssh F L host -p 23 -- ls -l"},
		{"ssh -L 1:a:2 -N -4 -F conf -i key host", "-4 -F conf -i key", "host", "ssh F -L 1:a:2 -N -4 -F conf -i key L host"},
		{"ssh -- host ls", "", "host", "ssh F L -- host ls"},
		{"ssh ssh://me@host:22", "", "ssh://me@host:22", "ssh F L ssh://me@host:22"},
		{"ssh host -", "", "host", "ssh F L host -"},
		{"scp -P 23 -r -C a b host:dir", "-p 23", "host", "scp F -P 23 -r -C L a b host:dir"},
		{"scp me@host:a me@host:b .", "", "me@host", "scp F L me@host:a me@host:b ."},
		{"scp me@[fd00::1]:a .", "", "me@fd00::1", "scp F L me@[fd00::1]:a ."},
		{"scp ./a:b scp://me@host:23/x", "", "ssh://me@host:23", "scp F L ./a:b scp://me@host:23/x"},
		{"scp -Jgate -l 100 a host:", "-J gate", "host", "scp F -l 100 L a host:"},
	} {
		c, err := Parse(strings.Fields(tt.command))
		if err != nil {
			t.Errorf("%s: %v", tt.command, err)
			continue
		}
		if got := strings.Join(c.options, " "); got != tt.options || c.host != tt.host {
			t.Errorf("%s: got options %s and host %s, want %s and %s", tt.command, got, c.host, tt.options, tt.host)
		}
		if got := c.with([]string{"F"}, []string{"L"}); !slices.Equal(got, strings.Fields(tt.with)) {
			t.Errorf("%s: got %s, want %s", tt.command, got, tt.with)
		}
	}
}

func TestParseOrdinary(t *testing.T) {
	for _, command := range []string{
		"", "sh -c ls", "ssh", "ssh -V", "ssh -G host", "ssh -Q key", "ssh -O check host", "ssh -p", "ssh -AJ gate host",
		"scp", "scp a b", "scp a:b c:d", "scp ./a:b /c:d",
	} {
		if c, err := Parse(strings.Fields(command)); !errors.Is(err, ErrOrdinary) {
			t.Errorf("%q: got %+v, %v", command, c, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("ssh -tAp22 -J gate host ls")
	f.Add("scp -P 23 me@[fd00::1]:a .")
	f.Fuzz(func(t *testing.T, command string) {
		argv := strings.Split(command, " ")
		c, err := Parse(argv)
		if err != nil {
			return
		}
		if c.host == "" || len(c.with(nil, nil)) != len(argv)-len(c.jumps) {
			t.Errorf("%q: got %+v", argv, c)
		}
	})
}
