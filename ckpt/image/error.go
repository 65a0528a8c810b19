package image

import (
	"fmt"
	"io/fs"
	"time"
)

// ExistsError says that there is something already where an image was to be made.
type ExistsError struct{ Dir string }

func (e *ExistsError) Error() string {
	return e.Dir + " exists already; remove it or give another -D"
}

// Is makes it an [fs.ErrExist].
func (e *ExistsError) Is(err error) bool { return err == fs.ErrExist }

// CorruptError says that an image is not as it was made.
type CorruptError struct {
	Dir  string
	File string // name of the file in the image
	What string // what is wrong with it, to be read after its name
}

func (e *CorruptError) Error() string { return "image " + e.Dir + ": " + e.File + " " + e.What }

// AccessError says that others can read or write an image, so that it is neither a secret nor to be trusted.
type AccessError struct {
	Dir  string
	File string // name of the file in the image, "" for the directory
	What string // what is wrong with it, to be read after its name
}

func (e *AccessError) Error() string {
	file := e.File
	if file == "" {
		file = "the directory"
	}
	return "image " + e.Dir + ": " + file + " " + e.What
}

// Is makes it an [fs.ErrPermission].
func (e *AccessError) Is(err error) bool { return err == fs.ErrPermission }

// VersionError says that an image is of a version that this program does not understand.
type VersionError struct{ Found uint32 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("the image is of version %d, this program understands version %d", e.Found, Version)
}

// ClaimedError says that an image has been restored before.
type ClaimedError struct {
	Dir   string
	Claim Claim // zero if the one who restored it died while saying so
}

func (e *ClaimedError) Error() string {
	if e.Claim.When.IsZero() {
		return "image " + e.Dir + " has been restored before"
	}
	return fmt.Sprintf("image %s has been restored before, on %s at %s, as group %s",
		e.Dir, e.Claim.Host, e.Claim.When.Local().Format(time.DateTime), e.Claim.Group)
}
