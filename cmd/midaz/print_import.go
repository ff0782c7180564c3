package main

import (
	"fmt"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
)

// importText tells what was imported and what could not be, without any value.
func importText(got *definitions.Result, out, env string, i ink) string {
	var b strings.Builder
	for _, n := range got.Notes {
		fmt.Fprintf(&b, "%s: %s\n", i.in(yellow, "note"), clean(n))
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{got.Users, "user"}, {got.Vhosts, "virtual host"}, {got.Exchanges, "exchange"}, {got.Queues, "queue"}, {got.Bindings, "binding"}, {got.Policies, "policy"}} {
		parts = append(parts, count(p.n, p.what))
	}
	to := "standard output"
	if out != "" {
		to = clean(out)
	}
	fmt.Fprintf(&b, "%s to %s: %s.\n", i.in(bold, "Imported"), to, strings.Join(parts, ", "))
	switch {
	case env != "":
		fmt.Fprintf(&b, "%s: %s, each the value of a sensitive variable.\n", clean(env), count(len(got.Secrets), "secret"))
	case len(got.Secrets) > 0:
		fmt.Fprintf(&b, "%s hold passwords and became variables: %s. Set them, or import with -out.\n", count(len(got.Secrets), "value"), secretNames(got.Secrets))
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

// exportText tells what definitions cannot hold.
func exportText(notes []string, i ink) string {
	var b strings.Builder
	for _, n := range notes {
		fmt.Fprintf(&b, "%s: %s\n", i.in(yellow, "note"), clean(n))
	}
	return b.String()
}
