//go:build !linux

package specs

// isKernelFile reports whether the path lies on a file system of the kernel's
// own, which only Linux has.
func isKernelFile(string) bool { return false }
