package cli

import (
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
)

// logPrinter writes lines of several logs, whole and one at a time.
type logPrinter struct {
	mu     sync.Mutex
	w      io.Writer
	ink    render.Ink
	bare   bool // without the names of services
	prefix map[resources.Addr]string
}

// logColours are handed out in the order of the services.
var logColours = []string{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}

func NewLogPrinter(w io.Writer, i render.Ink, bare bool) *logPrinter {
	return &logPrinter{w: w, ink: i, bare: bare}
}

// Open names the containers whose lines follow: those named before, in their
// order, and more.
func (p *logPrinter) Open(containers []report.ContainerView) {
	if p.bare {
		return
	}
	kinds := map[string]map[string]bool{}
	for _, l := range containers {
		if kinds[l.Addr.Name] == nil {
			kinds[l.Addr.Name] = map[string]bool{}
		}
		kinds[l.Addr.Name][l.Addr.Kind] = true
	}
	width := 0
	text := func(a resources.Addr) string {
		if len(kinds[a.Name]) > 1 { // a service and a job of one name
			return render.Clean(a.String())
		}
		return render.Clean(a.Name)
	}
	for _, l := range containers {
		width = max(width, utf8.RuneCountInString(text(l.Addr)))
	}
	prefix := map[resources.Addr]string{}
	for _, l := range containers {
		if prefix[l.Addr] == "" {
			prefix[l.Addr] = p.ink.In(logColours[len(prefix)%len(logColours)], render.Pad(text(l.Addr), width)+" | ")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.prefix = prefix
}

func (p *logPrinter) Line(l report.LogLine) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	b.WriteString(p.prefix[l.Addr])
	if !l.At.IsZero() {
		b.WriteString(p.ink.In(render.Dim, l.At.UTC().Format("2006-01-02T15:04:05.000000000Z")) + " ")
	}
	b.WriteString(CleanLog(l.Text, p.ink) + "\n")
	_, _ = io.WriteString(p.w, b.String())
}

// CleanLog makes a line of a log safe for a terminal. Colours that a program
// chose for its text stay where colours are on; every other escape sequence
// goes.
func CleanLog(text string, i render.Ink) string {
	text = strings.TrimRight(text, "\r\n")
	if !strings.ContainsRune(text, 0x1b) {
		return render.Clean(text)
	}
	var b strings.Builder
	coloured := false
	for text != "" {
		at := strings.IndexByte(text, 0x1b)
		if at < 0 {
			b.WriteString(render.Clean(text))
			break
		}
		b.WriteString(render.Clean(text[:at]))
		sequence, rest := Escape(text[at:])
		if bool(i) && strings.HasSuffix(sequence, "m") {
			b.WriteString(sequence)
			coloured = true
		}
		text = rest
	}
	if coloured {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

// Escape cuts one escape sequence off the beginning of s. Only "ESC [ digits
// and ; letter" is returned; of anything else the ESC alone is dropped, and
// what follows is text.
func Escape(s string) (sequence, rest string) {
	if len(s) < 2 || s[1] != '[' {
		return "", s[1:]
	}
	end := strings.IndexFunc(s[2:], func(r rune) bool { return !strings.ContainsRune("0123456789;:?<=>", r) })
	if end < 0 {
		return "", ""
	}
	final := s[2+end]
	if final < 0x40 || final > 0x7e {
		return "", s[2+end:]
	}
	body := s[:2+end+1]
	if slices.ContainsFunc([]byte(body[2:len(body)-1]), func(c byte) bool { return c != ';' && (c < '0' || c > '9') }) {
		return "", s[2+end+1:]
	}
	return body, s[2+end+1:]
}
