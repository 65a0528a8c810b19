package ckpt

import (
	"fmt"
	"os"
)

// inherit returns what stands for things outside of the group, by CRIU's names of them: the terminal, and pipes at
// the standard descriptors. done closes what was opened for it.
func (x *restore) inherit() (files map[string]*os.File, done func(), err error) {
	m := x.image.Manifest()
	files = map[string]*os.File{}
	var opened []*os.File
	done = func() {
		for _, f := range opened {
			f.Close()
		}
	}
	null := func() (*os.File, error) {
		f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		opened = append(opened, f)
		return f, err
	}
	for _, o := range m.Outside {
		if o.FD < 0 || o.FD >= len(x.job.Standard) {
			continue // the program finds it closed
		}
		f := x.job.Standard[o.FD]
		if f == nil {
			if f, err = null(); err != nil {
				return nil, done, err
			}
		}
		if files[o.Key] == nil {
			files[o.Key] = f
		}
	}
	if t := m.Terminal; t != nil {
		if x.job.Terminal == nil {
			return nil, done, fmt.Errorf("the group has a terminal, and there is none here: restore it in a terminal, or with -d")
		}
		if err := setTerminal(x.job.Terminal, t); err != nil {
			return nil, done, err
		}
		files[t.Key] = x.job.Terminal
	}
	return files, done, nil
}
