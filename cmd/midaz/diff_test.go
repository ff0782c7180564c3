package main

import (
	"fmt"
	"testing"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// foreseenRows are one resource of each kind with what it needs: the row under
// test takes the place of %s.
var foreseenRows = map[string]string{
	"service":          "services: {app: {image: a:1, %s}}",
	"job":              "jobs: {app: {image: a:1, %s}}",
	"network":          "networks: {net: {%s}}",
	"volume":           "volumes: {vol: {%s}}",
	"vhost":            broker + "vhosts: {v: {%s}}}",
	"user":             broker + "users: {u: {password: p, %s}}}",
	"queue":            broker + "vhosts: {v: {queues: {q: {%s}}}}}",
	"exchange":         broker + "vhosts: {v: {exchanges: {e: {%s}}}}}",
	"policy":           broker + "vhosts: {v: {policies: {p: {pattern: x, definition: {max-length: 1}, %s}}}}}",
	"operator-policy":  broker + "vhosts: {v: {operator_policies: {p: {pattern: x, definition: {max-length: 1}, %s}}}}}",
	"permission":       broker + "users: {u: {password: p}}, vhosts: {v: {permissions: {u: {%s}}}}}",
	"vhost-limit":      broker + "vhosts: {v: {limits: {%s}}}}",
	"global-parameter": broker + "global_parameters: {g: {%s}}}",
}

const broker = "rabbitmq: {url: 'http://b:15672', management: {username: m, password: p}, "

// TestForeseenRows: of every row, a spec compared with itself differs in
// nothing, and one with another value in that row.
func TestForeseenRows(t *testing.T) {
	kinds := app.RealWorld().Kinds()
	tried := 0
	for _, k := range kinds {
		table := k.Table()
		form, ok := foreseenRows[table.Kind]
		if !ok {
			continue
		}
		for i := range table.Fields {
			f := &table.Fields[i]
			declare := func(value string) *resources.Declared {
				row := ""
				if value != "" {
					row = f.Key + ": " + value
				}
				root, err := specs.ParseNode("x.yaml", "{version: '1', stack: s, "+fmt.Sprintf(form, row)+"}")
				if err != nil {
					return nil // the example needs something that is no part of the row
				}
				d, problems := engine.Resolve(&specs.Spec{Root: root, Stack: "s"}, kinds)
				if problems.Errors() > 0 {
					return nil
				}
				return d
			}
			compared := func(was, now *resources.Declared) resources.Delta {
				var all resources.Delta
				for _, c := range engine.MakePlan(now, engine.Foresee(was, now), engine.Options{Allow: []string{resources.DataLoss}}).Changes {
					if !c.IsNoOp() {
						all = append(all, c.Delta...)
						all = append(all, resources.Diff{Path: string(c.Action) + " " + c.Addr.String()})
					}
				}
				return all
			}
			a, b, none := declare(f.Example), declare(f.Other), declare("")
			for _, d := range []*resources.Declared{a, b, none} {
				if d == nil {
					continue
				}
				if delta := compared(d, d); len(delta) > 0 {
					t.Errorf("%s.%s: compared with itself it differs: %v", table.Kind, f.Key, delta)
				}
			}
			if a == nil || b == nil || f.Example == f.Other || f.Unmarked {
				continue
			}
			tried++
			if delta := compared(a, b); len(delta) == 0 {
				t.Errorf("%s.%s: %s and %s are the same", table.Kind, f.Key, f.Example, f.Other)
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d rows could be tried", tried)
	}
}
