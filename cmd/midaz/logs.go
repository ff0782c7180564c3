package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
)

// logs shows the logs of services, each line after the name of its service.
func logs(c *call) error {
	options, err := c.logOptions()
	if err != nil {
		return err
	}
	if err := c.need(false); err != nil {
		return err
	}
	s, err := c.openReader()
	if err != nil {
		return err
	}
	defer s.close()
	containers, err := s.look.containers(c.ctx, c.declared.Stack)
	if err != nil {
		return err
	}
	if len(containers) == 0 && c.knowsArgs() {
		c.tell(render.NoContainersText(c.declared.Stack))
		return nil
	}
	containers, err = c.chosenLogs(containers)
	if err != nil {
		return err
	}
	out := newLogPrinter(c.sys.stdout, containers, c.out(), c.flags.Bool("no-log-prefix"))
	return c.followAll(s.look, containers, options, out)
}

func (c *call) logOptions() (logOptions, error) {
	o := logOptions{follow: c.flags.Bool("follow"), tail: c.flags.String("tail"), since: c.flags.String("since"), timestamps: c.flags.Bool("timestamps")}
	if n, err := strconv.Atoi(o.tail); o.tail != "all" && (err != nil || n < 0) {
		return o, c.usage(fmt.Sprintf("--tail %q is not a number of lines", o.tail), "for example --tail 100, or --tail all")
	}
	if o.since != "" {
		d, derr := time.ParseDuration(o.since)
		t, terr := time.Parse(time.RFC3339, o.since)
		switch {
		case derr == nil && d >= 0:
			t = c.sys.now().Add(-d)
		case terr != nil:
			return o, c.usage(fmt.Sprintf("--since %q is neither a duration nor a time", o.since), "for example --since 10m, or --since 2026-01-31T12:00:00Z")
		}
		o.since = t.UTC().Format(time.RFC3339Nano)
	}
	return o, nil
}

// chosenLogs keeps the containers that the arguments name.
func (c *call) chosenLogs(all []report.ContainerLook) ([]report.ContainerLook, error) {
	looks := make([]report.ServiceLook, len(all))
	for i, l := range all {
		looks[i] = report.ServiceLook{ContainerLook: l}
	}
	looks, err := c.chosen(looks)
	if err != nil {
		return nil, err
	}
	out := make([]report.ContainerLook, len(looks))
	for i, l := range looks {
		out[i] = l.ContainerLook
	}
	return out, nil
}

// knowsArgs reports whether each argument names a service or job of the spec.
func (c *call) knowsArgs() bool {
	return !slices.ContainsFunc(c.args, func(pattern string) bool {
		return !slices.ContainsFunc(c.declared.Resources, func(r *resources.Resource) bool { return isRunnable(r.Addr.Kind) && matches(r.Addr, pattern) })
	})
}

// followAll reads all logs at the same time. When one cannot be read the
// others go on; its error is returned at the end.
func (c *call) followAll(look looker, containers []report.ContainerLook, o logOptions, out *logPrinter) error {
	errs := make([]error, len(containers))
	if !o.follow {
		// One after the other, so that the lines of each stay together.
		for i, l := range containers {
			errs[i] = readLog(c.ctx, look, l, o, out)
		}
		return errors.Join(errs...)
	}
	var all sync.WaitGroup
	for i, l := range containers {
		all.Go(func() { errs[i] = readLog(c.ctx, look, l, o, out) })
	}
	all.Wait()
	if err := c.ctx.Err(); err != nil {
		return report.Shown(err) // an interrupt is how following ends
	}
	return errors.Join(errs...)
}

func readLog(ctx context.Context, look looker, l report.ContainerLook, o logOptions, out *logPrinter) error {
	if err := look.logs(ctx, l, o, func(line logLine) { out.line(l.Addr, line) }); err != nil {
		return fmt.Errorf("logs of %s: %w", l.Addr, err)
	}
	return nil
}

// logPrinter writes lines of several logs, whole and one at a time.
type logPrinter struct {
	mu     sync.Mutex
	w      io.Writer
	ink    render.Ink
	prefix map[resources.Addr]string
}

// logColours are handed out in the order of the services.
var logColours = []string{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}

func newLogPrinter(w io.Writer, containers []report.ContainerLook, i render.Ink, bare bool) *logPrinter {
	p := &logPrinter{w: w, ink: i, prefix: map[resources.Addr]string{}}
	if bare {
		return p
	}
	names := map[string]int{}
	for _, l := range containers {
		names[l.Addr.Name]++
	}
	width := 0
	text := func(a resources.Addr) string {
		if names[a.Name] > 1 { // a service and a job of one name
			return render.Clean(a.String())
		}
		return render.Clean(a.Name)
	}
	for _, l := range containers {
		width = max(width, utf8.RuneCountInString(text(l.Addr)))
	}
	for n, l := range containers {
		p.prefix[l.Addr] = i.In(logColours[n%len(logColours)], render.Pad(text(l.Addr), width)+" | ")
	}
	return p
}

func (p *logPrinter) line(a resources.Addr, l logLine) {
	var b strings.Builder
	b.WriteString(p.prefix[a])
	if !l.at.IsZero() {
		b.WriteString(p.ink.In(render.Dim, l.at.UTC().Format("2006-01-02T15:04:05.000000000Z")) + " ")
	}
	b.WriteString(cleanLog(l.text, p.ink) + "\n")
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.w, b.String())
}

// cleanLog makes a line of a log safe for a terminal. Colours that a program
// chose for its text stay where colours are on; every other escape sequence
// goes.
func cleanLog(text string, i render.Ink) string {
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
		sequence, rest := escape(text[at:])
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

// escape cuts one escape sequence off the beginning of s. Only "ESC [ digits
// and ; letter" is returned; of anything else the ESC alone is dropped, and
// what follows is text.
func escape(s string) (sequence, rest string) {
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
