package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
)

// helpText returns the page of a command or of a group, or the list of all for
// "".
func helpText(all []*cli.Command, verb string, i render.Ink) string {
	for _, c := range all {
		if c.Name == verb {
			return commandHelp(c, i)
		}
	}
	if g, many := groupOf(verb); many {
		return groupHelp(g, membersOf(g.name, all), i)
	}
	return listHelp(all, i)
}

func groupHelp(g group, members []*cli.Command, i render.Ink) string {
	var b strings.Builder
	fmt.Fprintf(&b, "midaz %s: %s\n\n%s\n", g.name, g.usage, i.In(render.Bold, "Commands:"))
	width := 0
	for _, c := range members {
		width = max(width, len(c.Name))
	}
	for _, c := range members {
		fmt.Fprintf(&b, "  %s  %s\n", render.Pad(c.Name, width), c.Usage)
	}
	fmt.Fprintf(&b, "\n\"midaz help %s COMMAND\" shows a command's flags and examples.\n", g.name)
	return b.String()
}

// What the list of commands and the first manual page both say.
const (
	aboutText = "midaz runs the infrastructure that one file describes: Docker networks, volumes, images, services and jobs,\n" +
		"and the topology of a RabbitMQ broker. The file is " + DefaultSpec + " unless -f names another.\n"
	flagsText = "Flags take one dash or two and stand anywhere.\n" +
		"Defaults for flags can stand in MIDAZ_CLI_ARGS and MIDAZ_CLI_ARGS_command.\n"
	exitText = "Exit status: 0 done or nothing to do, 1 error, 2 changes or drift found, 3 an operation failed, 4 a gate did not pass,\n" +
		"5 locked by another run, 6 plan is stale, 7 refused, 64 usage, 130 and 143 ended by a signal.\n"
	environmentText = "DOCKER_HOST, DOCKER_CONTEXT, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH and NO_COLOR are honoured.\n"
)

func listHelp(all []*cli.Command, i render.Ink) string {
	var b strings.Builder
	b.WriteString(aboutText + "\n")
	b.WriteString(i.In(render.Bold, "Usage:") + " midaz COMMAND [FLAGS] [ARGUMENTS]\n")
	for _, group := range []string{GroupMain, GroupLook, GroupWrite, GroupTool} {
		fmt.Fprintf(&b, "\n%s\n", i.In(render.Bold, group+":"))
		for _, c := range listCommands(all) {
			if c.category == group {
				fmt.Fprintf(&b, "  %s  %s\n", render.Pad(c.name, 10), c.usage)
			}
		}
	}
	b.WriteString("\n\"midaz help COMMAND\" shows a command's flags and examples. " + flagsText + exitText + environmentText)
	return b.String()
}

func commandHelp(c *cli.Command, i render.Ink) string {
	var b strings.Builder
	fmt.Fprintf(&b, "midaz %s: %s\n\n", c.Name, c.Usage)
	usage := "midaz " + c.Name + " [FLAGS]"
	if c.ArgsUsage != "" {
		usage += " " + c.ArgsUsage
	}
	fmt.Fprintf(&b, "%s %s\n\n", i.In(render.Bold, "Usage:"), usage)
	text, examples, _ := strings.Cut(c.Description, "Examples:\n")
	b.WriteString(strings.TrimSpace(text) + "\n")
	if examples != "" {
		fmt.Fprintf(&b, "\n%s\n%s\n", i.In(render.Bold, "Examples:"), strings.TrimRight(examples, "\n"))
	}
	type line struct{ names, usage string }
	var lines []line
	width := 0
	for _, f := range c.Flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
			continue
		}
		l := line{FlagNames(f), FlagUsage(f)}
		width = max(width, len(l.names))
		lines = append(lines, l)
	}
	fmt.Fprintf(&b, "\n%s\n", i.In(render.Bold, "Flags:"))
	for _, l := range lines {
		for n, part := range render.Wrap(l.usage, 110-width) {
			if n > 0 {
				l.names = ""
			}
			fmt.Fprintf(&b, "  %s  %s\n", render.Pad(l.names, width), part)
		}
	}
	return b.String()
}

// FlagNames returns the names of a flag with its value: "-f, --file FILE".
func FlagNames(f cli.Flag) string {
	var names []string
	for _, n := range f.Names() {
		dashes := "--"
		if len(n) == 1 {
			dashes = "-"
		}
		names = append(names, dashes+n)
	}
	slices.SortStableFunc(names, func(a, b string) int { return min(len(a), 3) - min(len(b), 3) })
	text := strings.Join(names, ", ")
	if d, ok := f.(cli.DocGenerationFlag); ok && d.TakesValue() {
		text += " " + placeholder(d)
	}
	return text
}

// placeholder is what stands in backquotes in the usage, as urfave/cli has it, else VALUE.
func placeholder(d cli.DocGenerationFlag) string {
	if _, rest, ok := strings.Cut(d.GetUsage(), "`"); ok {
		if name, _, ok := strings.Cut(rest, "`"); ok {
			return name
		}
	}
	return "VALUE"
}

func FlagUsage(f cli.Flag) string {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return ""
	}
	return strings.ReplaceAll(d.GetUsage(), "`", "")
}
