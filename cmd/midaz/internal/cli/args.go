package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/shlex"
	"github.com/urfave/cli/v2"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/specs"
)

// commandLine is the arguments in the one order that urfave/cli reads
// completely: the verb, its flags, "--", and what is no flag. The library
// itself stops at the first argument that is no flag and takes every flag
// after it for an argument.
type commandLine struct {
	Verb  string   // "" when none was given
	flags []string // as "--name=value"
	args  []string
	help  bool
}

// ParseArgs sorts the arguments. One and two dashes are the same, flags may
// stand anywhere, "--" ends them. Flags before the verb are those of the verb,
// except that -f there always names a file. Unknown flags and flags without
// their value are usage errors.
func ParseArgs(args []string, commands []*cli.Command, lookupEnv func(string) (string, bool)) (commandLine, error) {
	var line commandLine
	if len(args) == 1 && slices.Contains([]string{"-v", "-version", "--version"}, args[0]) {
		args = []string{"version"}
	}
	before, rest := splitVerb(args, commands)
	if len(rest) > 0 {
		line.Verb, rest = rest[0], rest[1:]
	}
	if line.Verb == "help" {
		line.help = true
		line.Verb = ""
		if len(rest) > 0 {
			line.Verb, rest = rest[0], rest[1:]
		}
	}
	if _, many := groupOf(line.Verb); many {
		more, tail := splitVerb(rest, commands)
		before, rest = append(before, more...), tail
		if len(tail) > 0 {
			line.Verb, rest = line.Verb+" "+tail[0], tail[1:]
		}
	}
	i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(line.Verb) })
	if i < 0 {
		if slices.ContainsFunc(before, isHelp) {
			line.help = true
		}
		if _, many := groupOf(line.Verb); many && line.help {
			return line, nil
		}
		if line.Verb == "" && line.help || line.Verb == "" && len(before) == 0 {
			line.help = true
			return line, nil
		}
		return line, unknownVerb(line.Verb, before, commands)
	}
	command := commands[i]
	line.Verb = command.Name

	words, err := envArgs(lookupEnv, strings.ReplaceAll(command.Name, " ", "_"))
	if err != nil {
		return line, err
	}
	for j, w := range before {
		if name, value, ok := strings.Cut(strings.TrimLeft(w, "-"), "="); name == "f" && strings.HasPrefix(w, "-") {
			before[j] = "--file"
			if ok {
				before[j] += "=" + value
			}
		}
	}
	words = append(append(words, before...), rest...)
	return line, line.sort(words, command)
}

// sort fills in flags and arguments from the words of one command.
func (line *commandLine) sort(words []string, command *cli.Command) error {
	flags := FlagsOf(command)
	for i := 0; i < len(words); i++ {
		w := words[i]
		if w == "--" {
			line.args = append(line.args, words[i+1:]...)
			break
		}
		if w == "-" || !strings.HasPrefix(w, "-") {
			line.args = append(line.args, w)
			continue
		}
		if isHelp(w) && flags["h"] == nil {
			line.help = true
			continue
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(w, "-"), "-"), "=")
		f := flags[name]
		if f == nil {
			return unknownFlag(name, command)
		}
		if !hasValue && TakesValue(f) {
			if i+1 == len(words) {
				return report.UsageError{Verb: command.Name, Msg: fmt.Sprintf("flag -%s needs a value", name)}
			}
			i++
			value, hasValue = words[i], true
		}
		if hasValue {
			name += "=" + value
		}
		line.flags = append(line.flags, "--"+name)
	}
	return nil
}

// valueFiles returns the files of values in the order in which they were given,
// which the library does not keep across two flags.
func (line *commandLine) valueFiles() []specs.ValueFile {
	var out []specs.ValueFile
	for _, flag := range line.flags {
		switch name, value, _ := strings.Cut(flag, "="); name {
		case "--env-file":
			out = append(out, specs.ValueFile{Name: value, Env: true})
		case "--var-file":
			out = append(out, specs.ValueFile{Name: value})
		}
	}
	return out
}

// cliArgs returns what urfave/cli is given.
func (line *commandLine) cliArgs() []string {
	out := append([]string{"midaz", line.Verb}, line.flags...)
	return append(append(out, "--"), line.args...)
}

// splitVerb returns the words before the verb and those from it on. Whether a
// flag before the verb takes the next word is looked up among all commands.
func splitVerb(args []string, commands []*cli.Command) (before, rest []string) {
	all := map[string]cli.Flag{}
	for _, c := range commands {
		for name, f := range FlagsOf(c) {
			if all[name] == nil || TakesValue(f) {
				all[name] = f
			}
		}
	}
	for i := 0; i < len(args); i++ {
		w := args[i]
		if !strings.HasPrefix(w, "-") || w == "-" {
			return slices.Clone(args[:i]), args[i:]
		}
		name := strings.TrimPrefix(strings.TrimPrefix(w, "-"), "-")
		if f := all[name]; f != nil && TakesValue(f) {
			i++
		}
	}
	return slices.Clone(args), nil
}

func isHelp(w string) bool { return w == "-h" || w == "-help" || w == "--help" || w == "--h" }

func TakesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

// FlagsOf returns the flags of a command by each of their names.
func FlagsOf(c *cli.Command) map[string]cli.Flag {
	out := map[string]cli.Flag{}
	for _, f := range c.Flags {
		for _, name := range f.Names() {
			out[name] = f
		}
	}
	return out
}

// envArgs returns the default flags of MIDAZ_CLI_ARGS and MIDAZ_CLI_ARGS_verb.
// They come first, so that the command line wins.
func envArgs(lookupEnv func(string) (string, bool), verb string) ([]string, error) {
	var out []string
	for _, name := range []string{"MIDAZ_CLI_ARGS", "MIDAZ_CLI_ARGS_" + verb} {
		text, _ := lookupEnv(name)
		words, err := shlex.Split(text)
		if err != nil {
			return nil, report.UsageError{Verb: verb, Msg: fmt.Sprintf("environment variable %s: %v", name, err)}
		}
		if len(words) > 0 && !strings.HasPrefix(words[0], "-") {
			return nil, report.UsageError{Verb: verb, Msg: fmt.Sprintf("environment variable %s: %q is no flag", name, words[0])}
		}
		out = append(out, words...)
	}
	return out, nil
}

func unknownVerb(verb string, before []string, commands []*cli.Command) error {
	if verb == "" {
		return report.UsageError{Msg: fmt.Sprintf("no command after %s", strings.Join(before, " "))}
	}
	if verb == "force-unlock" {
		return report.UsageError{Msg: `unknown command "force-unlock"`, Hint: "it is called `midaz unlock ID` here"}
	}
	if g, many := groupOf(verb); many {
		var names []string
		for _, c := range membersOf(g.name, commands) {
			names = append(names, c.Name)
		}
		return report.UsageError{Msg: fmt.Sprintf("%s what?", verb), Hint: "there is: " + strings.Join(names, ", ")}
	}
	var names []string
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Names()...)
		}
	}
	return report.UsageError{Msg: fmt.Sprintf("unknown command %q", verb), Hint: suggestion(verb, names)}
}

// refusedFlags are flags that fingers know from other tools and that mean
// something else here, each with what to write instead.
var refusedFlags = map[string]string{
	"down -v":         "down keeps volumes; `midaz destroy --volumes` removes them too",
	"down -volumes":   "down keeps volumes; `midaz destroy --volumes` removes them too",
	"apply -force":    "approve with -auto-approve; dangers are consented to one by one with -allow",
	"up -build":       "an image with `build:` is built when its inputs have changed, by apply itself",
	"apply -refresh":  "apply always looks at what is there; nothing else remembers it",
	"plan -refresh":   "plan always looks at what is there; nothing else remembers it",
	"plan -lock":      "plan takes no lock",
	"apply -scale":    "one service is one container",
	"up -scale":       "one service is one container",
	"plan -destroy":   "`midaz destroy` shows its plan and asks first",
	"apply -destroy":  "use `midaz destroy`",
	"up -pull":        "say it in the spec: `pull_policy: always`",
	"validate -quiet": "send the output to /dev/null; the exit status tells",
}

func unknownFlag(name string, command *cli.Command) error {
	e := report.UsageError{Verb: command.Name, Msg: fmt.Sprintf("unknown flag -%s", name)}
	if hint := refusedFlags[command.Name+" -"+name]; hint != "" {
		e.Hint = hint
		return e
	}
	var names []string
	for n, f := range FlagsOf(command) {
		if v, ok := f.(cli.VisibleFlag); ok && v.IsVisible() && len(n) > 1 {
			names = append(names, n)
		}
	}
	if near := specs.Suggest(name, names); near != "" {
		e.Hint = fmt.Sprintf("did you mean -%s?", near)
	}
	return e
}

func suggestion(word string, names []string) string {
	if near := specs.Suggest(word, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "`midaz help` lists the commands"
}
