package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
)

// A spec that is read from a pipe may never come to its end: the command hears
// of no context, and ends all the same.
func TestSignalEndsACommandThatDoesNotHearOfIt(t *testing.T) {
	usual := app.LeaveReading
	defer func() { app.LeaveReading = usual }()
	for name, tc := range map[string]struct {
		signals []os.Signal
		want    int
		leave   time.Duration
	}{
		"one":   {[]os.Signal{syscall.SIGTERM}, 143, time.Millisecond},
		"again": {[]os.Signal{os.Interrupt, os.Interrupt}, 130, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			app.LeaveReading = tc.leave
			endless, hold := io.Pipe()
			defer hold.Close()
			signals := make(chan os.Signal, len(tc.signals))
			sys := fakeSystem()
			sys.Stdin, sys.Stdout, sys.Stderr = readingTells{endless, func() {
				for _, sig := range tc.signals {
					signals <- sig
				}
			}}, io.Discard, &bytes.Buffer{}
			sys.Signals = func() (<-chan os.Signal, func()) { return signals, func() {} }
			ended := make(chan int, 1)
			go func() { ended <- cli.Run(context.Background(), []string{"validate", "-f", "-"}, sys) }()
			select {
			case status := <-ended:
				if status != tc.want {
					t.Errorf("status %d, want %d", status, tc.want)
				}
			case <-time.After(time.Minute):
				t.Fatal("it does not end")
			}
		})
	}
}

// readingTells calls tell when somebody begins to read.
type readingTells struct {
	io.Reader
	tell func()
}

func (r readingTells) Read(p []byte) (int, error) {
	r.tell()
	return r.Reader.Read(p)
}
