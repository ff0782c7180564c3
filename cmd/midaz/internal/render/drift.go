package render

import (
	"fmt"
	"strings"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// DriftText tells people what was changed outside, and after it, apart, what
// merely waits for an apply.
func DriftText(d engine.Drift, i Ink) string {
	p := &planPrinter{ink: i, plan: d.Plan}
	if len(d.Changed) == 0 && len(d.Unread) > 0 {
		p.WriteString(i.In(yellow, "Whether something was changed outside is not known in full.") + " Nothing was in what could be read.\n\n")
	} else if len(d.Changed) == 0 {
		p.WriteString(i.In(Green, "No drift.") + " Nothing was changed outside since the last apply.\n")
	} else {
		p.WriteString(i.In(Bold, "Note:") + " Objects have changed outside of midaz\n\n")
		for _, c := range d.Changed {
			p.drifted(c)
		}
		fmt.Fprintf(p, "%s drifted. %s\n", Capital(Count(len(d.Changed), "resource")),
			driftAdvice(d, "`midaz apply -only-drift` brings them back and leaves the rest alone."))
	}
	if len(d.Changed) > 0 && len(d.Unread) > 0 {
		p.WriteString("\n")
	}
	p.unread(d.Unread)
	if len(d.Runtime) > 0 {
		p.WriteString("\nNot running as they should:\n")
		for _, c := range d.Runtime {
			fmt.Fprintf(p, "  %s: %s%s\n", AddrText(c.Addr), runtimeText(c.Have), p.place(c.Pos()))
		}
	}
	if len(d.Pending) > 0 {
		fmt.Fprintf(p, "\nIn the spec and not applied yet, which is no drift (%s):\n", Count(len(d.Pending), "resource"))
		for _, c := range d.Pending {
			fmt.Fprintf(p, "  %s%s\n", headline(c), p.place(c.Pos()))
		}
	}
	if len(d.Ignored) > 0 {
		p.WriteString("\nChanged outside and let be by a rule of the spec:\n")
		for _, c := range d.Ignored {
			for _, f := range c.Ignored {
				fmt.Fprintf(p, "  %s %s = %s%s\n", AddrText(c.Addr), Clean(f.Path), beforeAfter(f), p.place(f.Pos))
			}
		}
	}
	if len(d.Unmanaged) > 0 {
		fmt.Fprintf(p, "\nOn the broker and in no spec (%s, never touched):\n", Count(len(d.Unmanaged), "object"))
		var names []string
		for _, o := range d.Unmanaged {
			names = append(names, Clean(strings.Join(append([]string{o.Addr.String()}, o.Notes...), ", ")))
		}
		writeList(&p.Builder, names)
	}
	if c, ok := coverageOf(d); ok {
		fmt.Fprintf(p, "\nOf %s on the broker the stack manages %d (%v %%).\n", Count(c.Managed+c.Unmanaged, "object"), c.Managed, c.Percent)
	}
	p.Refusals()
	return p.String()
}

// driftAdvice says what brings back what was changed outside: back, apart from what no
// apply can.
func driftAdvice(d engine.Drift, back string) string {
	switch n := len(d.Plan.Overruled()); {
	case n == 0:
		return back
	case n == len(d.Changed):
		return "An apply does not change what is not in force: see what is said there."
	default:
		return back + fmt.Sprintf(" It does not change what is not in force (%s): see what is said there.", Count(n, "resource"))
	}
}

// drifted writes what was changed of one object: the sign "-" stands before
// what is there, "+" before what should be.
func (p *planPrinter) drifted(c *engine.Change) {
	if c.Removed {
		fmt.Fprintf(p, "  %s%s\n", p.ink.In(Bold, "# "+AddrText(c.Addr)+" has been deleted"), p.place(c.Pos()))
		fmt.Fprintf(p, "%s %s\n", p.ink.symbol(c), AddrText(c.Addr))
		p.remark(Clean(c.Reason))
		p.WriteString("\n")
		return
	}
	fmt.Fprintf(p, "  %s%s\n", p.ink.In(Bold, "# "+AddrText(c.Addr)+" has changed"), p.place(c.Pos()))
	var rows []row
	for _, f := range c.Delta {
		f.Drift = false // said by the headline
		if f.Pending {
			f.Why = joined(f.Why, "changed in the spec too")
			if f.Applied != nil {
				f.Why += ", last applied " + resources.Show(f.Applied)
			}
		}
		rows = append(rows, diffRows(f)...)
	}
	fmt.Fprintf(p, "%s %s\n", p.ink.sign("~", yellow), AddrText(c.Addr))
	p.rows(rows, "")
	p.WriteString("\n")
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}

// beforeAfter is a difference on one line.
func beforeAfter(d resources.Diff) string {
	if d.Sensitive() {
		return resources.Masked
	}
	return Clean(resources.Show(d.Before) + " -> " + resources.Show(d.After))
}

// runtimeText says how a container does that somebody should look at.
func runtimeText(o *resources.Observed) string {
	text := Clean(o.State)
	r := o.Runtime
	switch r.Trouble {
	case resources.Stopped:
		text += ", stopped by someone: its restart policy would have started it"
	case resources.NotStarted:
		text += ", never started"
	}
	if r.Restarts > 0 {
		text += ", restarted " + times(r.Restarts)
	}
	return text
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
