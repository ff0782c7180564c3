package specs

import (
	"slices"
	"syscall"
)

// kernelFileSystems are the file systems whose files the kernel makes up when
// they are read: proc, sysfs, debugfs, tracefs, securityfs, cgroup, cgroup2 and
// bpf (from linux/magic.h).
var kernelFileSystems = []uint32{0x9fa0, 0x62656572, 0x64626720, 0x74726163, 0x73636673, 0x27e0eb, 0x63677270, 0xcafe4a11}

// isKernelFile reports whether the path lies on such a file system.
func isKernelFile(path string) bool {
	var fs syscall.Statfs_t
	return syscall.Statfs(path, &fs) == nil && slices.Contains(kernelFileSystems, uint32(fs.Type))
}
