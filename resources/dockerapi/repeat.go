package dockerapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"syscall"
	"time"
)

// Patience is how long a run waits, in all, for an engine that stopped
// answering while it was used: it may be restarting.
var Patience = []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond,
	1600 * time.Millisecond}

// repeated returns the request once more, unless its body can be read only once.
func repeated(req *http.Request) (*http.Request, bool) {
	again := req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return again, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	again.Body = body
	return again, err == nil
}

// isLost reports whether no whole answer came for want of a connection. A
// socket that is not there is that of an engine that restarts.
func isLost(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNREFUSED, os.ErrNotExist} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}
