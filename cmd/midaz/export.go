package main

import (
	"errors"
	"fmt"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

// exportDefinitions writes the broker's part of the spec in RabbitMQ's format.
func exportDefinitions(c *call) error {
	if err := c.needQuiet(); err != nil {
		return err
	}
	vhost := ""
	if c.flags.IsSet("vhost") {
		v, err := c.vhost()
		if err != nil {
			return err
		}
		vhost = v.Name
	}
	got, err := rabbitmq.Definitions(c.declared, vhost)
	if err != nil {
		return err
	}
	c.tell(exportText(got.Notes, c.err()))
	if out := c.flags.String("out"); out != "" {
		path := c.path(out)
		if err := c.mayReplace(path); err != nil {
			return err
		}
		if err := writeFile(path, string(got.JSON)); err != nil { // made for its owner only
			return fmt.Errorf("write %s: %w", path, err)
		}
		return nil
	}
	if got.Clear || c.sys.redactor.Holds(string(got.JSON)) {
		return &resources.Diagnosis{Err: errors.New("a parameter holds a URI with its password, which definitions have in clear"), Hint: "write them to a file that only you can read: -out FILE"}
	}
	c.print(string(got.JSON))
	return nil
}
