package app

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

// ExportDefinitions writes the broker's part of the spec in RabbitMQ's format.
func ExportDefinitions(c *Call) error {
	if err := c.needQuiet(); err != nil {
		return err
	}
	vhost := ""
	if c.Opt.Vhost != nil {
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
	c.tell(report.DefinitionsExported{Notes: got.Notes})
	if c.Opt.Out != "" {
		path := c.Opt.Path(c.Opt.Out)
		if err := c.mayReplace(path); err != nil {
			return err
		}
		if err := WriteFile(path, string(got.JSON)); err != nil { // made for its owner only
			return fmt.Errorf("write %s: %w", path, err)
		}
		return nil
	}
	if got.Clear || c.Sys.Redactor.Holds(withoutHashes(got.JSON)) {
		return &resources.Diagnosis{Err: errors.New("the definitions hold a secret in clear, such as a URI with its password"),
			Hint: "write them to a file that only you can read: -out FILE"}
	}
	// Past the redactor, which knows the password hashes of the spec: they are
	// what definitions are for.
	return c.Show(report.Secret{Text: got.JSON})
}

// withoutHashes returns definitions without the password hashes of the users.
func withoutHashes(definitions []byte) string {
	var doc map[string]any
	if json.Unmarshal(definitions, &doc) != nil {
		return string(definitions)
	}
	users, _ := doc["users"].([]any)
	for _, u := range users {
		if user, ok := u.(map[string]any); ok {
			delete(user, "password_hash")
		}
	}
	rest, err := json.Marshal(doc)
	if err != nil {
		return string(definitions)
	}
	return string(rest)
}
