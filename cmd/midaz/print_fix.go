package main

import (
	"fmt"
	"strings"
)

// fixText shows what was changed, as a difference of each file, and what was
// not and why.
func fixText(f *fixes, dry bool, i ink) string {
	var b strings.Builder
	for _, file := range f.files {
		if file.after == file.before {
			continue
		}
		fmt.Fprintf(&b, "%s\n", i.in(bold, clean(file.name)))
		for _, l := range diffText(file.before, file.after) {
			if l.sign == ' ' {
				continue // a neighbour may hold what is not to be shown
			}
			style := map[byte]string{'+': green, '-': red, '#': dim}[l.sign]
			b.WriteString(i.in(style, strings.TrimRight(string(l.sign)+" "+l.text, " ")) + "\n")
		}
		b.WriteByte('\n')
	}
	for _, n := range f.not {
		fmt.Fprintf(&b, "%s %s: %s\n", i.in(yellow, "not fixed:"), addrText(n.addr), clean(n.why))
	}
	switch {
	case len(f.fixed) == 0:
		b.WriteString("Nothing to fix.\n")
	case dry:
		fmt.Fprintf(&b, "The arguments of %s would become policies.\n", count(len(f.fixed), "queue"))
	default:
		fmt.Fprintf(&b, "The arguments of %s became policies.\n", count(len(f.fixed), "queue"))
		b.WriteString("Applied to a broker that has the queues with these arguments, the plan replaces them: see what it says before you apply.\n")
	}
	return b.String()
}
