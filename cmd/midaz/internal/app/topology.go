package app

import (
	"fmt"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// DrawTopology draws exchanges, bindings and queues of the spec.
func DrawTopology(c *Call) error {
	if err := c.needQuiet(); err != nil {
		return err
	}
	all := rabbitmq.Topology(c.declared)
	if c.Opt.Vhost != nil {
		v, err := c.vhost()
		if err != nil {
			return err
		}
		all = []*routing.Vhost{v}
	}
	if len(all) == 0 {
		return &resources.Diagnosis{Err: fmt.Errorf("the spec declares no virtual host"),
			Hint: "exchanges and queues stand under `rabbitmq: vhosts:`"}
	}
	return c.Show(report.Topology{Vhosts: all})
}
