package main

import (
	"fmt"
)

// validate checks the spec; with -fix it puts right what can be.
func validate(c *call) error {
	files, err := c.outputs(validateFormats)
	if err != nil {
		return err
	}
	if c.flags.Bool("fix") {
		if !c.wantsText() || len(files) > 0 {
			return c.usage("-fix shows what it changed as text", "run `midaz validate -json` after it")
		}
		return fixSpec(c)
	}
	if c.flags.Bool("dry-run") {
		return c.usage("-dry-run goes with -fix", "")
	}
	invalid := c.need(!c.wantsText())
	stack := ""
	if c.spec != nil {
		stack = c.spec.Stack
	}
	err = c.deliver(files, renderings{
		formatText: func(string) string {
			if invalid != nil {
				return "" // said on standard error
			}
			return validText(c)
		},
		formatJSON:     func(string) string { return jsonText(validateJSON(c.problems, c.silenced)) },
		formatMarkdown: func(string) string { return validateMarkdown(stack, c.problems, c.flags.Int("max-bytes")) },
		formatGitHub:   func(string) string { return annotationText(problemAnnotations(c.problems)) },
		formatGitLab:   func(string) string { return validateGitLab(c.problems) },
		formatSARIF:    func(string) string { return validateSARIF(c.problems) },
	})
	if err != nil {
		return err
	}
	return invalid
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
