package migrate

import (
	"slices"
	"strings"

	"rock/ckpt/survey"
)

// ofTheSystem are directories whose files belong to what is installed on a host. They are only taken along if the user names them:
// many programs have the archive of locales mapped, say, and the other host has its own.
var ofTheSystem = []string{"/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr"}

// ofTheKernel are directories whose files are not the user's to take along.
var ofTheKernel = []string{"/dev", "/proc", "/run", "/sys", "/var/run"}

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
func movable(path string) bool { return below(path, sharedMemory) || !below(path, ofTheKernel...) }

// carriable says whether --copy-files takes a file along because it is open.
func carriable(path string, k survey.Kind) bool {
	return (k == survey.KindRegular || k == survey.KindAppend) && movable(path) && !below(path, ofTheSystem...)
}

// fileRemedy says what to do about a file that the target has not, or has otherwise.
func fileRemedy(f survey.File) string {
	switch {
	case carriable(f.Path, f.Kind), f.Kind == survey.KindDirectory && movable(f.Path) && !below(f.Path, ofTheSystem...):
		return "bring it there, or use --copy-files"
	case f.Kind == survey.KindRegular && movable(f.Path):
		return "install the same there, or use --copy-files=" + f.Path
	}
	return ""
}
