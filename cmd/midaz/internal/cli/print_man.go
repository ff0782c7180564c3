package cli

import (
	"fmt"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/urfave/cli/v2"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
)

// manPage is a page of section 1, in roff.
type manPage struct{ Name, Text string }

// ManPages returns the page of the program and those of its commands. Equal
// commands give byte-equal pages: there is no date in them.
func ManPages(all []*cli.Command) []manPage {
	pages := []manPage{newManPage("midaz", programPage(all))}
	for _, c := range all {
		if !c.Hidden {
			pages = append(pages, newManPage(PageName(c.Name), commandPage(c)))
		}
	}
	return pages
}

func PageName(verb string) string { return "midaz-" + strings.ReplaceAll(verb, " ", "-") }

// newManPage renders a page that is written in Markdown.
func newManPage(name, text string) manPage {
	head := fmt.Sprintf("%% %q \"1\" \"\" %q %q\n", strings.ToUpper(name), "midaz "+report.Version, "midaz")
	return manPage{name + ".1", string(md2man.Render([]byte(head + text)))}
}

func programPage(all []*cli.Command) string {
	var b strings.Builder
	b.WriteString("# NAME\nmidaz \\- run the infrastructure that one file describes\n\n")
	b.WriteString("# SYNOPSIS\n**midaz** _COMMAND_ [_FLAGS_] [_ARGUMENTS_]\n\n")
	b.WriteString("# DESCRIPTION\n" + manProse(aboutText) + "\n" + manProse(flagsText) + "\n# COMMANDS\n")
	for _, c := range all {
		if !c.Hidden {
			fmt.Fprintf(&b, "**midaz %s**\n: %s. See **%s**(1).\n\n", c.Name, manProse(render.Capital(c.Usage)), PageName(c.Name))
		}
	}
	b.WriteString("# EXIT STATUS\n" + manProse(render.Capital(strings.TrimPrefix(exitText, "Exit status: "))) + "\n# ENVIRONMENT\n" +
		manProse(environmentText))
	return b.String()
}

func commandPage(c *cli.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# NAME\n%s \\- %s\n\n# SYNOPSIS\n**midaz %s** [_FLAGS_] %s\n\n", PageName(c.Name), manProse(c.Usage), c.Name,
		manProse(c.ArgsUsage))
	text, examples, _ := strings.Cut(c.Description, "Examples:\n")
	b.WriteString("# DESCRIPTION\n")
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(block, "  ") { // an example within the text
			b.WriteString(render.Fence("", block) + "\n")
		} else {
			b.WriteString(manProse(block) + "\n\n")
		}
	}
	b.WriteString("# FLAGS\n")
	for _, f := range c.Flags {
		if v, ok := f.(cli.VisibleFlag); ok && v.IsVisible() {
			fmt.Fprintf(&b, "**%s**\n: %s\n\n", manProse(FlagNames(f)), manProse(render.Capital(FlagUsage(f))))
		}
	}
	if examples != "" {
		b.WriteString("# EXAMPLES\n" + render.Fence("", examples) + "\n")
	}
	b.WriteString("# EXIT STATUS\nSee **midaz**(1).\n\n# SEE ALSO\n**midaz**(1)\n")
	return b.String()
}

// manProse returns text in which nothing is markup.
func manProse(text string) string {
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "{", `\{`, "}", `\}`, "<", `\<`, ">", `\>`,
		"#", `\#`, "|", `\|`, "&", `\&`, "~", `\~`).Replace(text)
}
