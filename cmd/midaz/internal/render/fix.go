package render

import (
	"fmt"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
)

// FixText shows what was changed, as a difference of each file, and what was
// not and why.
func FixText(f *report.Fixes, dry bool, i Ink) string {
	var b strings.Builder
	for _, file := range f.Files {
		if file.After == file.Before {
			continue
		}
		fmt.Fprintf(&b, "%s\n", i.In(Bold, Clean(file.Name)))
		for _, l := range DiffText(file.Before, file.After) {
			if l.Sign == ' ' {
				continue // a neighbour may hold what is not to be shown
			}
			style := map[byte]string{'+': Green, '-': red, '#': Dim}[l.Sign]
			b.WriteString(i.In(style, strings.TrimRight(string(l.Sign)+" "+l.Text, " ")) + "\n")
		}
		b.WriteByte('\n')
	}
	for _, n := range f.Not {
		fmt.Fprintf(&b, "%s %s: %s\n", i.In(yellow, "not fixed:"), AddrText(n.Addr), Clean(n.Why))
	}
	switch {
	case len(f.Fixed) == 0:
		b.WriteString("Nothing to fix.\n")
	case dry:
		fmt.Fprintf(&b, "The arguments of %s would become policies.\n", Count(len(f.Fixed), "queue"))
	default:
		fmt.Fprintf(&b, "The arguments of %s became policies.\n", Count(len(f.Fixed), "queue"))
		b.WriteString("Applied to a broker that has the queues with these arguments, the plan replaces them: see what it says before you apply.\n")
	}
	return b.String()
}
