package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/checkpoint-restore/go-criu/v7/crit/images/fdinfo"
	"github.com/checkpoint-restore/go-criu/v7/crit/images/timerfd"
)

const filesFile = "files.img"

// WindTimers keeps periodic timers (timerfd_create(2)) going that had run out when the images were made, in CRIU's
// images in a directory, which is a [Draft]'s. The kernel begins the next period of such a timer when the program reads
// from it, and until then says that there is no time left. CRIU sets it to that, which disarms it for good. So it gets a
// whole period: what has run out until then is in its count already.
//
// It returns how many there are. After an error the images may be changed in part, and are of no use.
func WindTimers(dir string) (wound int, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, fmt.Errorf("wind timers in images: %w", err)
	}
	defer root.Close()
	if wound, err = windTimers(root); err != nil {
		return 0, fmt.Errorf("wind timers in images in %s: %w", dir, err)
	}
	return wound, nil
}

func windTimers(root *os.Root) (wound int, err error) {
	entries, err := readEntries(root, filesFile, filesMagic)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // nobody has a file open
	} else if err != nil {
		return 0, err
	}
	for i, b := range entries {
		var file fdinfo.FileEntry
		if err := unmarshal(b, &file); err != nil {
			return 0, fmt.Errorf("decode %s: %w", filesFile, err)
		}
		t := file.GetTfd()
		if t == nil || !ranOut(t) {
			continue
		}
		t.Vsec, t.Vnsec = t.Isec, t.Insec
		if entries[i], err = marshal(&file); err != nil {
			return 0, fmt.Errorf("encode %s: %w", filesFile, err)
		}
		wound++
	}
	if wound == 0 {
		return 0, nil
	}
	return wound, writeEntries(root, filesFile, filesMagic, entries)
}

// ranOut says whether a timer is periodic, has run out, and nobody has read from it since. One that its program has
// disarmed has no count.
func ranOut(t *timerfd.TimerfdEntry) bool {
	return t.GetVsec() == 0 && t.GetVnsec() == 0 && (t.GetIsec() != 0 || t.GetInsec() != 0) && t.GetTicks() != 0
}
