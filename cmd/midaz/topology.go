package main

import (
	"fmt"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// drawTopology draws exchanges, bindings and queues of the spec.
func drawTopology(c *call) error {
	format := c.flags.String("format")
	draw, ok := map[string]func([]*routing.Vhost, render.Ink) string{
		"text": render.TopologyText, "dot": render.TopologyDot, "mermaid": render.TopologyMermaid, "svg": render.TopologySVG, "json": render.TopologyJSON}[format]
	if !ok {
		return c.usage(fmt.Sprintf("-format %q is not known", format), "expected one of text, dot, mermaid, svg, json")
	}
	if err := c.needQuiet(); err != nil {
		return err
	}
	all := rabbitmq.Topology(c.declared)
	if c.flags.IsSet("vhost") {
		v, err := c.vhost()
		if err != nil {
			return err
		}
		all = []*routing.Vhost{v}
	}
	if len(all) == 0 {
		return &resources.Diagnosis{Err: fmt.Errorf("the spec declares no virtual host"), Hint: "exchanges and queues stand under `rabbitmq: vhosts:`"}
	}
	c.print(draw(all, c.out()))
	return nil
}
