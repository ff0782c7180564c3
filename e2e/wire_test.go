//go:build e2e

package e2e

import (
	"net"
	"sync/atomic"
	"testing"
)

// wire passes TCP connections on, and can break them after so many bytes.
type wire struct {
	address string
	to      string
	passed  atomic.Int64 // in both directions, over all connections
	cut     atomic.Int64 // where the next connection breaks in passed, 0 for nowhere
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	w := &wire{address: listener.Addr().String(), to: to}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go w.pass(conn)
		}
	}()
	return w
}

// cutAfter breaks, once, the connection over which the last of so many bytes more
// passes.
func (w *wire) cutAfter(bytes int64) { w.cut.Store(w.passed.Load() + bytes) }

func (w *wire) pass(client net.Conn) {
	server, err := net.Dial("tcp", w.to)
	if err != nil {
		_ = client.Close()
		return
	}
	closeBoth := func() {
		_, _ = client.Close(), server.Close()
	}
	copyTo := func(to, from net.Conn) {
		defer closeBoth()
		buffer := make([]byte, 1024)
		for {
			n, err := from.Read(buffer)
			passed := w.passed.Add(int64(n))
			if at := w.cut.Load(); at > 0 && passed >= at && w.cut.CompareAndSwap(at, 0) {
				// A reset, and what is under way is lost.
				_, _ = client.(*net.TCPConn).SetLinger(0), server.(*net.TCPConn).SetLinger(0)
				return
			}
			if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
				return
			}
		}
	}
	go copyTo(server, client)
	copyTo(client, server)
}
