package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// groups are words that several commands begin with: a command named
// "import definitions" is one of the group import. A group is no command
// itself.
var groups = []group{
	{"import", "write a spec from what is there already"},
	{"policy", "try the rules that plans are held against"},
	{"export", "write what the spec says in another format"},
}

type group struct{ name, usage string }

// groupOf returns the group with that name, false when there is none.
func groupOf(name string) (group, bool) {
	i := slices.IndexFunc(groups, func(g group) bool { return g.name == name })
	if i < 0 {
		return group{}, false
	}
	return groups[i], true
}

// membersOf returns the commands of a group.
func membersOf(name string, all []*cli.Command) []*cli.Command {
	var out []*cli.Command
	for _, c := range all {
		if strings.HasPrefix(c.Name, name+" ") {
			out = append(out, c)
		}
	}
	return out
}

// listed is one line of the list of commands: a command, or a group in the
// place of its first one.
type listed struct{ name, usage, category string }

func listCommands(all []*cli.Command) []listed {
	var out []listed
	for _, c := range all {
		l := listed{c.Name, c.Usage, c.Category}
		if first, _, many := strings.Cut(c.Name, " "); many {
			g, _ := groupOf(first)
			l.name, l.usage = g.name, g.usage
		}
		if !c.Hidden && !slices.ContainsFunc(out, func(o listed) bool { return o.name == l.name }) {
			out = append(out, l)
		}
	}
	return out
}
