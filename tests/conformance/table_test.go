package main

import (
	"strings"
	"testing"
	"time"
)

// What is not worth anything as a comparison is an error, however few differences there are.
func TestTableComplains(t *testing.T) {
	good := func() *line {
		return &line{suite: "it", native: &course{results: results{"a": passed}}, rock: &course{results: results{"a": passed}, side: both, rocks: 1}}
	}
	for name, tt := range map[string]struct {
		change func(*line)
		want   string
	}{
		"good":                {func(*line) {}, ""},
		"nothing has run":     {func(l *line) { l.native.results, l.rock = results{}, nil }, "have not run"},
		"never ends":          {func(l *line) { l.native.limit = time.Minute }, "have not run"},
		"our own test fails":  {func(l *line) { l.native.results["b"] = failed }, "have not run"},
		"one of others fails": {func(l *line) { l.native.results["b"], l.rock.side = failed, whole }, ""},
		"no rocks":            {func(l *line) { l.rock.rocks = 0 }, "have not run"},
		"none on one side":    {func(l *line) { l.rock.rocks, l.rock.side = 0, clients }, ""},
		"differs":             {func(l *line) { l.differ = []string{"a"} }, "do not pass"},
	} {
		l, table, out := good(), &table{}, &strings.Builder{}
		tt.change(l)
		table.add(out, l)
		err := table.end(out)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q; printed\n%s", name, err, tt.want, out)
		}
	}
}
