package render

import (
	"fmt"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
)

// ImportText tells what was imported and what could not be, without any value.
func ImportText(got *definitions.Result, out, env string, i Ink) string {
	var b strings.Builder
	for _, n := range got.Notes {
		fmt.Fprintf(&b, "%s: %s\n", i.In(yellow, "note"), Clean(n))
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{got.Users, "user"}, {got.Vhosts, "virtual host"}, {got.Exchanges, "exchange"}, {got.Queues, "queue"}, {got.Bindings, "binding"},
		{got.Policies, "policy"}} {
		parts = append(parts, Count(p.n, p.what))
	}
	to := "standard output"
	if out != "" {
		to = Clean(out)
	}
	fmt.Fprintf(&b, "%s to %s: %s.\n", i.In(Bold, "Imported"), to, strings.Join(parts, ", "))
	switch {
	case env != "":
		fmt.Fprintf(&b, "%s: %s, each the value of a sensitive variable.\n", Clean(env), Count(len(got.Secrets), "secret"))
	case len(got.Secrets) > 0:
		fmt.Fprintf(&b, "%s hold passwords and became variables: %s. Set them, or import with -out.\n", Count(len(got.Secrets), "value"),
			secretNames(got.Secrets))
	}
	return b.String()
}

func secretNames(all []definitions.Secret) string {
	names := make([]string, len(all))
	for n, s := range all {
		names[n] = s.Name
	}
	return strings.Join(names, ", ")
}

// ExportText tells what definitions cannot hold.
func ExportText(notes []string, i Ink) string {
	var b strings.Builder
	for _, n := range notes {
		fmt.Fprintf(&b, "%s: %s\n", i.In(yellow, "note"), Clean(n))
	}
	return b.String()
}
