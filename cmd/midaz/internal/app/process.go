package app

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// processMark tells this process from every other on any host: the boot of the
// host, the space in which process numbers hold, the number, and when it was
// started. "" where the system does not say these.
func processMark() string {
	space := processSpace()
	start := startOf(os.Getpid())
	if space == "" || start == "" {
		return ""
	}
	return fmt.Sprintf("%s/%d/%s", space, os.Getpid(), start)
}

// isEnded reports whether the process of a mark has surely ended: it is one of
// this host, and no longer there.
func isEnded(mark string) bool {
	space := processSpace()
	rest, ok := strings.CutPrefix(mark, space+"/")
	if space == "" || !ok {
		return false
	}
	number, start, _ := strings.Cut(rest, "/")
	pid, err := strconv.Atoi(number)
	if err != nil || start == "" {
		return false
	}
	return startOf(pid) != start
}

func processSpace() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + "/" + space
}

// startOf returns when a process was started, in ticks since the boot, "" when
// there is no such process. One that has ended and is not yet waited for is
// none.
func startOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name in parentheses may hold anything: what follows is counted from
	// the last one. State is the third field, the start the 22nd.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	return fields[19]
}
