package group

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"rock/rocks"
	"rock/rocks/detect"
	"rock/rocks/rendezvous"
)

// Settings is what the config file sets, with defaults for what it leaves out.
// CONFIG.md describes the file.
type Settings struct {
	File string // where they were read from, "" if there is no config file

	Heartbeat time.Duration // silence on a link before it is asked for a sign of life
	Misses    int           // heartbeats missed in a row before a rock is suspended
	Timeout   time.Duration // how long a rock may be suspended before it closes
	Hold      time.Duration // how long a marked connection waits for a rock's first bytes
	Backoff   time.Duration // longest pause between attempts to reconnect

	FlightLog int // bytes, per rock: written and not acknowledged
	Receive   int // bytes, per rock: arrived and not read

	Rendezvous []string // host and port of each server where peers that have moved leave word; none: nowhere

	Rules []detect.Rule // in the order of the file; the first that matches counts
}

// DefaultSettings returns the settings of an empty config file.
func DefaultSettings() Settings {
	return Settings{
		Heartbeat: rocks.DefaultHeartbeat,
		Misses:    rocks.DefaultMisses,
		Timeout:   rocks.DefaultTimeout,
		Hold:      detect.LongHold,
		Backoff:   rocks.DefaultMaxBackoff,
		FlightLog: rocks.DefaultFlightLimit,
		Receive:   rocks.DefaultReceiveLimit,
	}
}

// A SettingsError says what is wrong with a config file, and where.
type SettingsError struct {
	File         string // as the user would write it
	Line, Column int    // from 1; the column counts bytes
	Problem      string // the key, what is wrong with it, what is allowed
}

func (e *SettingsError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Problem)
}

// systemSettings is the config file that is used if the user has none.
const systemSettings = "/etc/rock/config.toml"

// maxSettingsSize bounds a config file, in bytes.
const maxSettingsSize = 1 << 20

// LoadSettings reads the config file: the one that ROCK_CONFIG names, which must
// exist; else $XDG_CONFIG_HOME/rock/config.toml, by default
// ~/.config/rock/config.toml; else /etc/rock/config.toml. Without any of them it
// returns the defaults. The environment is asked through getenv, os.Getenv for
// instance; ROCK_RENDEZVOUS in it counts more than the file. What is wrong in a file is a *SettingsError.
func LoadSettings(getenv func(key string) string) (Settings, error) {
	s, err := loadSettings(getenv, systemSettings)
	if err != nil {
		return s, err
	}
	switch server := getenv("ROCK_RENDEZVOUS"); server {
	case "":
	case noRendezvous:
		s.Rendezvous = nil
	default:
		if s.Rendezvous, err = rendezvous.Addresses(server); err != nil {
			return s, fmt.Errorf("ROCK_RENDEZVOUS: %w", err)
		}
	}
	return s, nil
}

// noRendezvous is in the place of a server if there is to be none.
const noRendezvous = "none"

func loadSettings(getenv func(string) string, system string) (Settings, error) {
	if file := getenv("ROCK_CONFIG"); file != "" {
		return readSettings(file, file)
	}
	home := getenv("HOME")
	for _, file := range []string{userSettings(getenv("XDG_CONFIG_HOME"), home), system} {
		if present(file) {
			return readSettings(file, abbreviate(file, home))
		}
	}
	return DefaultSettings(), nil
}

// present reports whether there is a file to read or to complain about. A
// directory that may not even be searched holds none for us: HOME is often still
// that of root when a program runs as somebody else.
func present(file string) bool {
	if file == "" {
		return false
	}
	_, err := os.Stat(file)
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) && !errors.Is(err, fs.ErrPermission)
}

// userSettings returns the path of the user's own config file, "" if there can be
// none. A relative XDG_CONFIG_HOME is void (XDG Base Directory Specification).
func userSettings(configHome, home string) string {
	switch {
	case filepath.IsAbs(configHome):
		return filepath.Join(configHome, "rock", "config.toml")
	case home != "":
		return filepath.Join(home, ".config", "rock", "config.toml")
	}
	return ""
}

// abbreviate writes a path below the home directory with "~", as users do.
func abbreviate(file, home string) string {
	if home = filepath.Clean(home); filepath.IsAbs(home) && home != "/" {
		if rest, ok := strings.CutPrefix(file, home+"/"); ok {
			return "~/" + rest
		}
	}
	return file
}

// readSettings reads the config file at path, which messages call name.
func readSettings(path, name string) (Settings, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxSettingsSize {
		return Settings{}, fmt.Errorf("config file %s: %d bytes, at most %d are allowed", name, info.Size(), maxSettingsSize)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Settings{}, fmt.Errorf("config file %s: %w", name, errors.Unwrap(err))
	}
	s, err := ParseSettings(name, data)
	if err != nil {
		return Settings{}, err
	}
	s.File = path
	return s, nil
}
