package group

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"rock/rocks/detect"
)

// ParseSettings reads the text of a config file, which messages call name. All
// errors are of type *SettingsError; of several it returns the first.
func ParseSettings(name string, data []byte) (Settings, error) {
	var tree map[string]any
	if err := toml.Unmarshal(data, &tree); err != nil {
		return Settings{}, syntaxError(name, err)
	}
	p := settingsParser{settings: DefaultSettings()}
	p.table(tree)
	if len(p.problems) > 0 {
		return Settings{}, p.first(name, data)
	}
	return p.settings, nil
}

// syntaxError puts an error of the TOML decoder in our form.
func syntaxError(name string, err error) error {
	e := &SettingsError{File: name, Line: 1, Column: 1, Problem: strings.TrimPrefix(err.Error(), "toml: ")}
	var at *toml.DecodeError
	if errors.As(err, &at) {
		e.Line, e.Column = at.Position()
	}
	return e
}

// settingsParser turns the decoded tree into settings and notes what is wrong.
type settingsParser struct {
	settings Settings
	problems []settingsProblem
}

// settingsProblem is something wrong with the key at a path.
type settingsProblem struct {
	path settingsPath
	text string
}

func (p *settingsParser) fail(path settingsPath, format string, args ...any) {
	p.problems = append(p.problems, settingsProblem{path, fmt.Sprintf(format, args...)})
}

// first returns the problem that comes first in the file.
func (p *settingsParser) first(name string, data []byte) error {
	positions := settingsPositions(data)
	var errs []*SettingsError
	for _, problem := range p.problems {
		at := positions[problem.path]
		errs = append(errs, &SettingsError{name, at.line, at.column, problem.text})
	}
	return slices.MinFunc(errs, func(a, b *SettingsError) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		if a.Column != b.Column {
			return a.Column - b.Column
		}
		return strings.Compare(a.Problem, b.Problem)
	})
}

// table reads the whole file.
func (p *settingsParser) table(tree map[string]any) {
	for key, value := range tree {
		path := settingsPath("").key(key)
		switch key {
		case "timings":
			p.values(path, key, value, p.timings())
		case "limits":
			p.values(path, key, value, p.limits())
		case "rendezvous":
			p.values(path, key, value, p.rendezvous())
		case "rule":
			p.rules(path, value)
		default:
			p.fail(path, "unknown key %q: want [timings], [limits], [rendezvous] or [[rule]]", key)
		}
	}
}

// setting is a key that has one value. Its read function stores the value, or
// returns false if it is not one that want describes.
type setting struct {
	key  string
	want string
	read func(value any) bool
}

func (p *settingsParser) timings() []setting {
	s := &p.settings
	return []setting{
		durationSetting("heartbeat", &s.Heartbeat, minHeartbeat, maxHeartbeat),
		countSetting("misses", &s.Misses, minMisses, maxMisses),
		durationSetting("timeout", &s.Timeout, minTimeout, maxTimeout),
		durationSetting("hold", &s.Hold, minHold, maxHold),
		durationSetting("backoff", &s.Backoff, minBackoff, maxBackoff),
	}
}

func (p *settingsParser) limits() []setting {
	s := &p.settings
	return []setting{
		sizeSetting("flight_log", &s.FlightLog, minBuffer, maxBuffer),
		sizeSetting("receive", &s.Receive, minBuffer, maxBuffer),
	}
}

func (p *settingsParser) rendezvous() []setting {
	return []setting{serversSetting("server", &p.settings.Rendezvous)}
}

// values reads a table of settings.
func (p *settingsParser) values(path settingsPath, name string, value any, known []setting) {
	table, ok := value.(map[string]any)
	if !ok {
		p.fail(path, "%s: want a table: [%s] on a line of its own, its keys below it", name, name)
		return
	}
	for key, value := range table {
		at := path.key(key)
		i := slices.IndexFunc(known, func(s setting) bool { return s.key == key })
		switch {
		case i < 0:
			p.fail(at, "%s: unknown key %q: want %s", name, key, settingKeys(known))
		case !known[i].read(value):
			p.fail(at, "%s: %s %s: want %s", name, key, written(value), known[i].want)
		}
	}
}

// rules reads the list of rules.
func (p *settingsParser) rules(path settingsPath, value any) {
	list, ok := value.([]any)
	if !ok {
		p.fail(path, "rule: want a list: [[rule]], in two brackets, on a line before the keys of each rule")
		return
	}
	for i, value := range list {
		at := path.index(i)
		table, ok := value.(map[string]any)
		if !ok {
			p.fail(at, "rule %d: want a table", i+1)
			continue
		}
		p.rule(at, i+1, table)
	}
}

// rule reads one rule, the nth from 1.
func (p *settingsParser) rule(path settingsPath, n int, table map[string]any) {
	var rule detect.Rule
	for key, value := range table {
		var err error
		switch key {
		case "host":
			rule.Host, err = hostValue(value)
		case "port":
			rule.Ports, err = portsValue(value)
		case "action":
			rule.Action, err = actionValue(value)
		default:
			err = fmt.Errorf("unknown key %q: want host, port or action", key)
		}
		if err != nil {
			p.fail(path.key(key), "rule %d: %v", n, err)
		}
	}
	_, host := table["host"]
	_, port := table["port"]
	if _, action := table["action"]; !action {
		p.fail(path, `rule %d: action is missing: want action = "force", "forbid" or "detect"`, n)
	}
	if !host && !port {
		p.fail(path, `rule %d: host and port are missing: want one of them at least (host = "*" is any host)`, n)
	}
	p.settings.Rules = append(p.settings.Rules, rule)
}

func settingKeys(known []setting) string {
	keys := make([]string, len(known))
	for i, s := range known {
		keys[i] = s.key
	}
	last := len(keys) - 1
	if last == 0 {
		return keys[0]
	}
	return strings.Join(keys[:last], ", ") + " or " + keys[last]
}
