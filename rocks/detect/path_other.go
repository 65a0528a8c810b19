//go:build !linux

package detect

import (
	"errors"
	"fmt"
	"net/netip"
)

// PathMSS is not known on this system: the error is errors.ErrUnsupported.
func PathMSS(remote netip.Addr) (int, error) {
	return 0, fmt.Errorf("read path MTU to %v: %w", remote, errors.ErrUnsupported)
}
