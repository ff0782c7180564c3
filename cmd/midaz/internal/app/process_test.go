package app

import (
	"runtime"
	"strings"
	"testing"
)

func TestProcessMark(t *testing.T) {
	mark := processMark()
	if mark == "" {
		if runtime.GOOS == "linux" {
			t.Error("no mark")
		}
		return
	}
	if isEnded(mark) {
		t.Error("this process has ended")
	}
	if isEnded("other-boot/pid:[1]/1/1") || isEnded("") || isEnded(processSpace()+"/x/1") {
		t.Error("a process that nothing is known of has ended")
	}
	parts := strings.Split(mark, "/")
	if !isEnded(strings.Join(parts[:len(parts)-1], "/") + "/1") {
		t.Error("another process under the number counts as the old one")
	}
}
