package docker

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/docker/docker/pkg/stdcopy"
)

// A container's two streams come in frames of one connection: a header of eight
// bytes, of which the last four are the length, then the text.
const (
	frameHeader = 8
	// maxFrame bounds one frame: engines send 16 KiB at most of a log, and what was
	// written at once of an exec's output.
	maxFrame = 16 << 20
)

// splitFrames passes on what either stream holds.
func splitFrames(stdout, stderr io.Writer, r io.Reader) error {
	_, err := stdcopy.StdCopy(stdout, stderr, &boundedFrames{r: r})
	return err
}

// boundedFrames lets no frame through that is longer than maxFrame: its reader
// makes room for all of it before it comes.
type boundedFrames struct {
	r    io.Reader
	head []byte // of the header that is read, what has come so far
	left int64  // of the frame
}

func (b *boundedFrames) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if b.left > 0 {
		n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
		b.left -= int64(n)
		return n, err
	}
	n, err := b.r.Read(p[:min(len(p), frameHeader-len(b.head))])
	b.head = append(b.head, p[:n]...)
	if len(b.head) < frameHeader {
		return n, err
	}
	b.left, b.head = int64(binary.BigEndian.Uint32(b.head[4:])), b.head[:0]
	if b.left > maxFrame {
		return 0, fmt.Errorf("the engine sends %d bytes of output at once", b.left)
	}
	return n, err
}
