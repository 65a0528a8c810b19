package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// mostClaim bounds the size of a [ClaimFile] that is read.
const mostClaim = 4 << 10

// Claim says that an image has been restored.
type Claim struct {
	When  time.Time `json:"when"`
	Host  string    `json:"host"`  // its name
	Group string    `json:"group"` // id of the group that was restored
}

// Claim marks the image as restored, for good and across a crash. A second one gives a [*ClaimedError] that says when and
// where it was before. On a read-only file system the error is an EROFS, and the image is not marked.
func (i *Image) Claim(by Claim) error {
	b, err := json.Marshal(by)
	if err != nil {
		return fmt.Errorf("claim image: %w", err)
	}
	f, err := i.root.OpenFile(ClaimFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return i.claimedBefore()
	} else if err != nil {
		return fmt.Errorf("claim image: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = i.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("claim image %s: %w", i.dir, errors.Join(err, i.root.Remove(ClaimFile)))
	}
	return nil
}

func (i *Image) claimedBefore() error {
	c, err := i.Claimed()
	if err != nil {
		return err
	}
	if c == nil {
		c = new(Claim) // taken back just now
	}
	return &ClaimedError{i.dir, *c}
}

// Claimed returns the claim of an image that has been restored, nil for another. It is zero if whoever restored the image
// died while saying so.
func (i *Image) Claimed() (*Claim, error) {
	f, err := i.root.Open(ClaimFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read claim of image: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, mostClaim))
	if err != nil {
		return nil, fmt.Errorf("read claim of image: %w", err)
	}
	c := new(Claim)
	if json.Unmarshal(b, c) != nil {
		return new(Claim), nil // that it is there is what counts
	}
	return c, nil
}

// Unclaim takes the claim back: the restore failed before anything ran. Without a claim it does nothing.
func (i *Image) Unclaim() error {
	err := i.root.Remove(ClaimFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = i.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("take back claim of image: %w", err)
	}
	return nil
}
