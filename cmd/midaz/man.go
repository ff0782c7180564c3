package main

import (
	"os"
	"path/filepath"
)

// man writes the manual pages, one for the program and one for each command,
// into a folder.
func man(c *call) error {
	if len(c.opt.args) == 0 {
		return c.usage("into which folder?", "`midaz man DIR`")
	}
	dir := c.path(c.opt.args[0])
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, p := range manPages(commands()) {
		if err := writeFileAs(filepath.Join(dir, p.name), p.text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
