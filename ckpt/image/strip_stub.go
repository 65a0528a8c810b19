package image

// StripFilter is a stub, to be replaced.
func StripFilter(dir string, ours func(filter []byte) bool) (int, error) { return 0, nil }
