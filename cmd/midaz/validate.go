package main

import (
	"fmt"
)

// validate checks the spec and nothing else.
func validate(c *call) error {
	invalid := c.need(c.wantsJSON())
	if err := c.emit(validateJSON(c.problems, c.silenced)); err != nil {
		return err
	}
	if invalid != nil {
		return invalid
	}
	if !c.wantsJSON() {
		c.print(validText(c))
	}
	return nil
}

// validText is the last line of a spec without errors.
func validText(c *call) string {
	text := c.out().in(green, "Success!") + fmt.Sprintf(" The spec is valid: %s", count(len(c.declared.Resources), "resource"))
	if len(c.problems) > 0 {
		text += ", " + count(len(c.problems), "warning")
	}
	if len(c.silenced) > 0 {
		text += fmt.Sprintf(" (%d silenced)", len(c.silenced))
	}
	return text + ".\n"
}
