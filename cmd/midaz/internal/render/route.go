package render

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// RouteText tells the way of a message, one hop a line.
func RouteText(t report.TracedRoute, i Ink) string {
	var b strings.Builder
	r := t.Route
	fmt.Fprintf(&b, "%s\n", i.In(Bold, "Published to "+exchangeText(t.Vhost.Exchange(r.Message.Exchange))+messageText(r.Message)))
	if r.Refused != "" {
		fmt.Fprintf(&b, "  %s %s\n", i.In(red, "refused:"), Clean(r.Refused))
		return b.String()
	}
	writeHops(&b, r, "  ", i)
	b.WriteByte('\n')
	switch {
	case len(r.Queues) > 0:
		fmt.Fprintf(&b, "%s %s: %s\n", i.In(Green, "Reaches"), Count(len(r.Queues), "queue"), namesText(r.Queues))
	case len(r.Maybe) == 0 && r.Unroutable():
		fmt.Fprintf(&b, "%s: it reaches no queue. The broker drops it, or returns it to a publisher that set the mandatory flag.\n",
			i.In(red, "Unroutable"))
	case len(r.Maybe) == 0:
		fmt.Fprintf(&b, "%s: it cannot be told from the spec whether it reaches a queue.\n", i.In(yellow, "Unknown"))
	}
	if len(r.Maybe) > 0 {
		fmt.Fprintf(&b, "%s reach some of %s: %s\n", i.In(yellow, "May"), Count(len(r.Maybe), "queue"), namesText(r.Maybe))
	}
	if len(t.Rejected) > 0 {
		fmt.Fprintf(&b, "\n%s\n", i.In(Bold, "When it is rejected there"))
	}
	for _, d := range t.Rejected {
		writeRejected(&b, d, "  ", i)
	}
	return b.String()
}

func writeHops(b *strings.Builder, r *routing.Route, indent string, i Ink) {
	for _, h := range r.Hops {
		if h.Alternate != nil {
			fmt.Fprintf(b, "%s%s -> %s  %s\n", indent, exchangeName(h.Alternate), exchangeText(h.Exchange),
				i.In(Dim, "alternate exchange by "+Clean(h.AlternateFrom)))
		}
		if h.Unsure != "" {
			fmt.Fprintf(b, "%s%s  %s\n", indent, exchangeText(h.Exchange), i.In(yellow, Clean(h.Unsure)))
		}
		for _, t := range h.Taken {
			fmt.Fprintf(b, "%s%s %s %s\n", indent, exchangeName(h.Exchange), arrowText(t, h.Exchange), destinationText(t))
		}
	}
	for _, name := range r.Lost {
		fmt.Fprintf(b, "%s%s  %s\n", indent, Clean(quoteName(name)), i.In(Dim, "no binding takes it, and there is no alternate exchange"))
	}
}

func writeRejected(b *strings.Builder, d report.Rejection, indent string, i Ink) {
	if d.To == nil {
		fmt.Fprintf(b, "%s%s: %s\n", indent, Clean(d.Queue), "gone, there is no dead-letter exchange")
		return
	}
	to := d.To
	if to.Route == nil && !to.Missing {
		fmt.Fprintf(b, "%s%s: %s\n", indent, Clean(d.Queue), i.In(yellow, Clean(to.Unsure)))
		return
	}
	fmt.Fprintf(b, "%s%s: to exchange %s%s  %s\n", indent, Clean(d.Queue), Clean(quoteName(to.Exchange)),
		messageText(routing.Message{Key: to.Key}),
		i.In(Dim, "by "+Clean(joinDistinct(to.From, to.KeyFrom))))
	deeper := indent + "  "
	if to.Unsure != "" {
		fmt.Fprintf(b, "%s%s\n", deeper, i.In(yellow, Clean(to.Unsure)))
	}
	if to.Missing {
		fmt.Fprintf(b, "%s%s: the spec does not declare that exchange\n", deeper, i.In(red, "lost"))
		return
	}
	writeHops(b, to.Route, deeper, i)
	if to.Route.Unroutable() {
		fmt.Fprintf(b, "%s%s: it reaches no queue\n", deeper, i.In(red, "lost"))
	}
	for _, q := range to.Again {
		fmt.Fprintf(b, "%s%s: it has been there, and comes round again; one that was not rejected but expired is dropped\n", deeper, Clean(q))
	}
	for _, next := range to.Next {
		writeRejected(b, report.Rejection{Queue: next.Queue, To: next}, deeper, i)
	}
}

func joinDistinct(a, b string) string {
	if b == "" || a == b {
		return a
	}
	return a + ", " + b
}

// quoteName returns the name of an exchange, "(default)" for the nameless one.
func quoteName(name string) string {
	if name == "" {
		return "(default)"
	}
	return name
}

func exchangeName(x *routing.Exchange) string { return Clean(quoteName(x.Name)) }

func exchangeText(x *routing.Exchange) string {
	kind := x.Type
	if kind == "" {
		kind = "external"
	}
	if x.Name == "" {
		return "the default exchange"
	}
	return fmt.Sprintf("%s (%s)", exchangeName(x), Clean(kind))
}

func messageText(m routing.Message) string {
	text := " with key " + strconv.Quote(m.Key)
	if m.Key == "" {
		text = ""
	}
	if len(m.Headers) > 0 {
		text += " and headers " + resources.Show(m.Headers)
	}
	return Clean(text)
}

// arrowText is a binding as an arrow with what it asks for.
func arrowText(b *routing.Binding, from *routing.Exchange) string {
	label := bindingLabel(b, from.Type)
	if label == "" {
		return "->"
	}
	return "-[" + Clean(label) + "]->"
}

// bindingLabel is what a binding asks for, "" when that is nothing: the key,
// the arguments, or both, as far as the type of exchange reads them.
func bindingLabel(b *routing.Binding, kind string) string {
	var parts []string
	if b.Key != "" && kind != "fanout" && kind != "headers" {
		parts = append(parts, b.Key)
	}
	if len(b.Arguments) > 0 {
		var arguments []string
		for _, k := range slices.Sorted(maps.Keys(b.Arguments)) {
			arguments = append(arguments, k+"="+resources.Show(b.Arguments[k]))
		}
		parts = append(parts, strings.Join(arguments, " "))
	}
	return strings.Join(parts, " ")
}

func destinationText(b *routing.Binding) string {
	if b.ToExchange {
		return "exchange " + Clean(b.Destination)
	}
	return "queue " + Clean(b.Destination)
}

func namesText(names []string) string {
	out := make([]string, len(names))
	for n, name := range names {
		out[n] = Clean(name)
	}
	return strings.Join(out, ", ")
}
