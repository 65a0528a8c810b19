package files

import (
	"slices"
	"strings"

	"rock/ckpt/survey"
)

// ofTheSystem are directories whose files belong to what is installed on a host. They are only taken along if the user names them:
// many programs have the archive of locales mapped, say, and the other host has its own.
var ofTheSystem = []string{"/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr"}

// ofTheBoot are directories whose files are not the user's to take along.
var ofTheBoot = []string{"/dev", "/proc", "/run", "/sys", "/var/run"}

// sharedMemory is the exception: what is there are files like others, of the programs.
const sharedMemory = "/dev/shm"

// below says whether a clean path is in one of these directories, or one of them.
func below(path string, dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool {
		rest, ok := strings.CutPrefix(path, dir)
		return ok && (rest == "" || rest[0] == '/')
	})
}

// movable says whether a file may be taken along at all.
func movable(path string) bool { return below(path, sharedMemory) || !below(path, ofTheBoot...) }

// placeable says whether a file may be without being named.
func placeable(path string) bool { return movable(path) && !below(path, ofTheSystem...) }

// Carriable says whether a file that is open is taken along without being named.
func Carriable(path string, k survey.Kind) bool {
	return (k == survey.KindRegular || k == survey.KindAppend) && placeable(path)
}

// Remedy says what to do about a file that the target has not, or has otherwise; "" if it is not about taking it along.
func Remedy(f survey.File) string {
	switch {
	case Carriable(f.Path, f.Kind), f.Kind == survey.KindDirectory && placeable(f.Path):
		return "bring it there, or use --copy-files"
	case f.Kind == survey.KindRegular && movable(f.Path):
		return "install the same there, or use --copy-files=" + f.Path
	}
	return ""
}
