package tests

import (
	"os"
	"testing"

	"rock/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
