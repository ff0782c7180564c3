package main

import (
	"fmt"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
)

// validate checks the spec; with -fix it puts right what can be.
func validate(c *call) error {
	files, err := c.outputs(render.ValidateFormats)
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
	err = c.deliver(files, render.Renderings{
		render.FormatText: func(string) string {
			if invalid != nil {
				return "" // said on standard error
			}
			return validText(c)
		},
		render.FormatJSON:     func(string) string { return render.JSONText(render.ValidateJSON(c.problems, c.silenced)) },
		render.FormatMarkdown: func(string) string { return render.ValidateMarkdown(stack, c.problems, c.flags.Int("max-bytes")) },
		render.FormatGitHub:   func(string) string { return render.AnnotationText(render.ProblemAnnotations(c.problems)) },
		render.FormatGitLab:   func(string) string { return render.ValidateGitLab(c.problems) },
		render.FormatSARIF:    func(string) string { return render.ValidateSARIF(c.problems) },
	})
	if err != nil {
		return err
	}
	return invalid
}

// validText is the last line of a spec without errors.
func validText(c *call) string {
	text := c.out().In(render.Green, "Success!") + fmt.Sprintf(" The spec is valid: %s", render.Count(len(c.declared.Resources), "resource"))
	if len(c.problems) > 0 {
		text += ", " + render.Count(len(c.problems), "warning")
	}
	if len(c.silenced) > 0 {
		text += fmt.Sprintf(" (%d silenced)", len(c.silenced))
	}
	return text + ".\n"
}
