package docker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"syscall"
	"time"
)

// patience is how long a run waits, in all, for an engine that stopped
// answering while it was used: it may be restarting.
var patience = []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond}

// send makes the request, and makes it again when the connection was lost: no
// one knows then whether the engine has done what it was asked to. Each of our
// calls may be repeated, because "it is so already" is an answer that its
// caller takes for success. An engine that never answered is not waited for.
func (g *gatekeeper) send(req *http.Request) (*http.Response, error) {
	for try := 0; ; try++ {
		resp, err := g.next.RoundTrip(req)
		if err == nil {
			return resp, nil
		}
		answered := g.server.Load() != nil
		if !answered || !isLost(err) || try == len(patience) || sleep(req.Context(), patience[try]) != nil {
			return nil, err
		}
		again, ok := repeated(req)
		if !ok {
			return nil, err
		}
		req = again
	}
}

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
