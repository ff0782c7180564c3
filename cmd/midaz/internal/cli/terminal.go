package cli

import (
	"io"
	"os"

	"golang.org/x/term"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/resources"
)

// InkFor tells whether a stream gets colours: never with -no-color or NO_COLOR,
// always with FORCE_COLOR or CLICOLOR_FORCE, else on a terminal that can.
func InkFor(w io.Writer, env func(string) string, noColor bool) render.Ink {
	switch {
	case noColor, env("NO_COLOR") != "":
		return false
	case isOn(env("FORCE_COLOR")), isOn(env("CLICOLOR_FORCE")):
		return true
	case env("TERM") == "dumb":
		return false
	default:
		return render.Ink(isTerminal(w))
	}
}

func isOn(v string) bool { return v != "" && v != "0" && v != "false" }

// isTerminal reports whether a stream is a terminal. What is no file is none.
func isTerminal(stream any) bool {
	f, ok := fileOf(stream)
	return ok && term.IsTerminal(int(f.Fd()))
}

// fileOf returns the file that a stream reads or writes.
func fileOf(stream any) (*os.File, bool) {
	if w, ok := stream.(*resources.RedactingWriter); ok {
		stream = w.Unwrap()
	}
	f, ok := stream.(*os.File)
	return f, ok
}

// terminalSize returns a function that measures the terminal f, which may change
// its size at any time.
func terminalSize(f *os.File) func() (width, height int) {
	return func() (int, int) {
		w, h, err := term.GetSize(int(f.Fd()))
		if err != nil || w <= 0 || h <= 0 {
			return 80, 24
		}
		return w, h
	}
}
