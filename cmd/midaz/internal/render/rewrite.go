package render

import (
	"fmt"
	"strings"

	"github.com/sergi/go-diff/diffmatchpatch"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
)

// RewriteText shows the spec's files as they were and are, in the form that
// patch reads, and then what could not be written.
func RewriteText(w report.Rewritten, i Ink) string {
	var b strings.Builder
	for _, name := range w.Changed() {
		b.WriteString(unified(name, w.Before[name], w.After[name], i))
	}
	written, refused := 0, 0
	for _, n := range w.Notes {
		if n.Why == "" {
			written++
		} else {
			refused++
		}
	}
	if written > 0 {
		fmt.Fprintf(&b, "\nWritten: %s. Nothing on the engine or the broker was changed.\n", Count(written, "value"))
	}
	if written+refused == 0 {
		b.WriteString("Nothing has drifted, and nothing was written.\n")
	}
	if refused > 0 {
		b.WriteString("\n" + i.In(Bold, "Not written:") + "\n\n")
	}
	for _, n := range w.Notes {
		if n.Why == "" {
			continue
		}
		at := ""
		if !n.Pos.IsZero() {
			at = Clean(n.Pos.String()) + ": "
		}
		what := AddrText(n.Addr)
		if n.Path != "" {
			what += " " + Clean(n.Path)
		}
		fmt.Fprintf(&b, "  %s%s\n    %s\n", at, what, Clean(n.Why))
	}
	return b.String()
}

// hunkContext is how many lines stand around a change.
const hunkContext = 3

// unified returns the difference of two texts as diff -u writes it.
func unified(name, before, after string, i Ink) string {
	dmp := diffmatchpatch.New()
	dmp.DiffTimeout = 0
	a, z, lines := dmp.DiffLinesToRunes(before, after)
	var all []textLine
	for _, d := range dmp.DiffCharsToLines(dmp.DiffMainRunes(a, z, false), lines) {
		sign := map[diffmatchpatch.Operation]byte{diffmatchpatch.DiffInsert: '+', diffmatchpatch.DiffDelete: '-',
			diffmatchpatch.DiffEqual: ' '}[d.Type]
		for line := range strings.Lines(d.Text) {
			all = append(all, textLine{sign, strings.TrimRight(line, "\r\n")})
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", i.In(Bold, "--- "+Clean(name)), i.In(Bold, "+++ "+Clean(name)))
	oldLine, newLine := 1, 1
	for from := 0; from < len(all); {
		if all[from].Sign == ' ' {
			from, oldLine, newLine = from+1, oldLine+1, newLine+1
			continue
		}
		start := max(0, from-hunkContext)
		end := hunkEnd(all, from)
		hunk(&b, all[start:end], oldLine-(from-start), newLine-(from-start), i)
		for ; from < end; from++ {
			if all[from].Sign != '+' {
				oldLine++
			}
			if all[from].Sign != '-' {
				newLine++
			}
		}
	}
	return b.String()
}

// hunkEnd returns the end of the hunk that begins with a change: changes with
// few lines between them are one.
func hunkEnd(all []textLine, from int) int {
	last := from
	for n := from; n < len(all) && n-last <= 2*hunkContext; n++ {
		if all[n].Sign != ' ' {
			last = n
		}
	}
	return min(len(all), last+1+hunkContext)
}

func hunk(b *strings.Builder, lines []textLine, oldLine, newLine int, i Ink) {
	olds, news := 0, 0
	for _, l := range lines {
		if l.Sign != '+' {
			olds++
		}
		if l.Sign != '-' {
			news++
		}
	}
	fmt.Fprintf(b, "%s\n", i.In(Dim, fmt.Sprintf("@@ -%d,%d +%d,%d @@", oldLine, olds, newLine, news)))
	for _, l := range lines {
		sign := string(l.Sign)
		text := sign + Clean(l.Text)
		if l.Sign != ' ' {
			text = i.In(signStyle(sign, ""), text)
		}
		b.WriteString(text + "\n")
	}
}
