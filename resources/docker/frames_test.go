package docker

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func frame(stream byte, announced uint32, text string) string {
	head := make([]byte, frameHeader)
	head[0] = stream
	binary.BigEndian.PutUint32(head[4:], announced)
	return string(head) + text
}

func TestFramesAreBounded(t *testing.T) {
	whole := frame(1, 5, "hello") + frame(2, 0, "") + frame(2, 4, "oops") + frame(1, 1, "!")
	for name, r := range map[string]io.Reader{"at once": strings.NewReader(whole),
		"byte by byte": iotest.OneByteReader(strings.NewReader(whole))} {
		var out, errs bytes.Buffer
		if err := splitFrames(&out, &errs, r); err != nil || out.String() != "hello!" || errs.String() != "oops" {
			t.Errorf("%s: %q %q %v", name, out.String(), errs.String(), err)
		}
	}
	var out bytes.Buffer
	err := splitFrames(&out, &out, strings.NewReader(frame(1, 2, "hi")+frame(1, 1<<32-1, "x")))
	if err == nil || !strings.Contains(err.Error(), "4294967295 bytes") || out.String() != "hi" {
		t.Errorf("%q %v", out.String(), err)
	}
}
