package main

import (
	"fmt"
	"strings"

	"github.com/LerianStudio/midaz-infra/engine"
)

// driftText tells people what was changed outside, and after it, apart, what
// merely waits for an apply.
func driftText(d drift, i ink) string {
	p := &planPrinter{ink: i, plan: d.plan}
	if len(d.changed) == 0 {
		p.WriteString(i.in(green, "No drift.") + " Nothing was changed outside since the last apply.\n")
	} else {
		p.WriteString(i.in(bold, "Note:") + " Objects have changed outside of midaz\n\n")
		for _, c := range d.changed {
			p.drifted(c)
		}
		fmt.Fprintf(p, "%s drifted. `midaz apply -only-drift` brings them back and leaves the rest alone.\n", capital(count(len(d.changed), "resource")))
	}
	if len(d.runtime) > 0 {
		p.WriteString("\nNot running as they should:\n")
		for _, c := range d.runtime {
			fmt.Fprintf(p, "  %s: %s%s\n", addrText(c.Addr), clean(c.Have.State), p.place(c.Pos()))
		}
	}
	if len(d.pending) > 0 {
		fmt.Fprintf(p, "\nIn the spec and not applied yet, which is no drift (%s):\n", count(len(d.pending), "resource"))
		for _, c := range d.pending {
			fmt.Fprintf(p, "  %s%s\n", headline(c), p.place(c.Pos()))
		}
	}
	if len(d.unmanaged) > 0 {
		fmt.Fprintf(p, "\nOn the broker and in no spec (%s, never touched):\n", count(len(d.unmanaged), "object"))
		var names []string
		for _, o := range d.unmanaged {
			names = append(names, clean(strings.Join(append([]string{o.Addr.String()}, o.Notes...), ", ")))
		}
		writeList(&p.Builder, names)
	}
	p.unknown()
	p.refusals()
	return p.String()
}

// drifted writes what was changed of one object: the sign "-" stands before
// what is there, "+" before what should be.
func (p *planPrinter) drifted(c *engine.Change) {
	fmt.Fprintf(p, "  %s%s\n", p.ink.in(bold, "# "+addrText(c.Addr)+" has changed"), p.place(c.Pos()))
	var rows []row
	for _, f := range c.Delta {
		f.Drift = false // said by the headline
		rows = append(rows, diffRows(f)...)
	}
	fmt.Fprintf(p, "%s %s\n", p.ink.sign("~", yellow), addrText(c.Addr))
	p.rows(rows, "")
	p.WriteString(strings.Repeat("\n", 1))
}
