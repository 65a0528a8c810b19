// Command rockd is what runs on the other host for rock -d, see the package rocks/remote.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := newCommand().Execute(); err != nil {
		fmt.Fprintf(os.Stderr, "rockd: %v\n", err)
		os.Exit(1)
	}
}
