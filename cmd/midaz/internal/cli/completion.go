package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// completion prints a script for a shell. All the knowledge stays in the
// binary: the scripts hand over the words of the line and show the answer.
func completion(c *app.Call, v *View) error {
	if len(c.Opt.Args) == 0 {
		return c.Usage("which shell?", "`midaz completion bash`, zsh or fish")
	}
	script, ok := completionScripts[c.Opt.Args[0]]
	if !ok {
		return c.Usage(fmt.Sprintf("there is no completion for %q", c.Opt.Args[0]), "expected one of bash, zsh, fish")
	}
	v.print(script)
	return nil
}

var completionScripts = map[string]string{
	"bash": `# bash completion of midaz
_midaz() {
	local IFS=$'\n' line words
	# Colons and equal signs belong to words: take the line apart at blanks.
	IFS=$' \t' read -r -a words <<< "${COMP_LINE:0:COMP_POINT}"
	[[ "${COMP_LINE:0:COMP_POINT}" == *[[:blank:]] ]] && words+=("")
	COMPREPLY=()
	for line in $(midaz __complete -- "${words[@]:1}" 2>/dev/null); do
		line="${line%%$'\t'*}"
		if [[ "${words[-1]}" == *=* && "$line" == *=* ]]; then
			line="${line#*=}"
		fi
		COMPREPLY+=("$line")
	done
	if [[ ${#COMPREPLY[@]} -eq 0 ]]; then
		COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
	fi
}
complete -o filenames -F _midaz midaz
`,
	"zsh": `#compdef midaz
# zsh completion of midaz
_midaz() {
	local -a lines described
	local line
	lines=("${(@f)$(midaz __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	for line in $lines; do
		[[ -z "$line" ]] && continue
		local name="${line%%$'\t'*}" text="${line#*$'\t'}"
		[[ "$text" == "$line" ]] && text=""
		described+=("${name//:/\\:}:$text")
	done
	if (( ${#described} )); then
		_describe 'midaz' described
	else
		_files
	fi
}
if [ "$funcstack[1]" = "_midaz" ]; then _midaz; else compdef _midaz midaz; fi
`,
	"fish": `# fish completion of midaz
function __midaz_complete
	set -l words (commandline -opc) (commandline -ct)
	midaz __complete -- $words[2..-1] 2>/dev/null
end
complete -c midaz -f -a '(__midaz_complete)'
complete -c midaz -l file -s f -r -F
complete -c midaz -l env-file -r -F
complete -c midaz -l var-file -r -F
complete -c midaz -l json-into -r -F
complete -c midaz -l report -r -F
`,
}

// complete answers a completion script: one candidate a line, with a tab and
// what it is. The words are those after "midaz", the last one unfinished.
func complete(c *app.Call, v *View) error {
	words := c.Opt.Args
	if len(words) == 0 {
		words = []string{""}
	}
	var b strings.Builder
	for _, k := range candidates(words, c) {
		b.WriteString(k.text)
		if k.about != "" {
			b.WriteString("\t" + render.Clean(k.about))
		}
		b.WriteByte('\n')
	}
	v.print(b.String())
	return nil
}

type candidate struct{ text, about string }

func candidates(words []string, c *app.Call) []candidate {
	all := Commands()
	last := words[len(words)-1]
	_, rest := splitVerb(words[:len(words)-1], all)
	if len(rest) == 0 {
		if strings.HasPrefix(last, "-") {
			return nil
		}
		return matching(verbs(all), last)
	}
	verb := rest[0]
	if verb == "help" {
		if len(rest) > 1 {
			return matching(membersNamed(rest[1], all), last)
		}
		return matching(verbs(all), last)
	}
	if _, many := groupOf(verb); many {
		if _, rest = splitVerb(rest[1:], all); len(rest) == 0 {
			return matching(membersNamed(verb, all), last)
		}
		verb += " " + rest[0]
	}
	i := slices.IndexFunc(all, func(k *cli.Command) bool { return k.HasName(verb) })
	if i < 0 {
		return nil
	}
	command := all[i]
	flags := FlagsOf(command)
	// "-flag VALUE" or "-flag=VALUE": complete the value.
	name, value, inWord := strings.Cut(strings.TrimLeft(last, "-"), "=")
	if inWord && strings.HasPrefix(last, "-") {
		var out []candidate
		for _, k := range matching(flagValues(name, command, words, c), value) {
			out = append(out, candidate{last[:len(last)-len(value)] + k.text, k.about})
		}
		return out
	}
	if len(words) > 1 {
		before := words[len(words)-2]
		if f := flags[strings.TrimLeft(before, "-")]; strings.HasPrefix(before, "-") && !strings.Contains(before, "=") && f != nil &&
			TakesValue(f) {
			return matching(flagValues(strings.TrimLeft(before, "-"), command, words, c), last)
		}
	}
	if strings.HasPrefix(last, "-") {
		return matching(flagNamesOf(command), last)
	}
	return matching(argumentsOf(command, words, c), last)
}

func matching(all []candidate, prefix string) []candidate {
	return slices.DeleteFunc(all, func(k candidate) bool { return !strings.HasPrefix(k.text, prefix) })
}

func verbs(all []*cli.Command) []candidate {
	var out []candidate
	for _, c := range listCommands(all) {
		out = append(out, candidate{c.name, c.usage})
	}
	return append(out, candidate{"help", "show the flags and examples of a command"})
}

// membersNamed are the second words of a group's commands.
func membersNamed(group string, all []*cli.Command) []candidate {
	var out []candidate
	for _, c := range membersOf(group, all) {
		out = append(out, candidate{strings.TrimPrefix(c.Name, group+" "), c.Usage})
	}
	return out
}

func flagNamesOf(c *cli.Command) []candidate {
	var out []candidate
	for _, f := range c.Flags {
		if v, ok := f.(cli.VisibleFlag); ok && v.IsVisible() {
			out = append(out, candidate{"--" + f.Names()[0], FlagUsage(f)})
		}
	}
	return out
}

// flagValues are the values that a flag can have, as far as they can be known.
func flagValues(name string, command *cli.Command, words []string, c *app.Call) []candidate {
	switch name {
	case "on-failure":
		return []candidate{{"rollback", "put the old one back"}, {"stop", "start nothing new"}, {"continue", "leave the failed one"}}
	case "format":
		return formatsOf(command)
	case "into":
		out := formatsOf(command)
		for i := range out {
			out[i].text += "="
		}
		return out
	case "allow":
		return []candidate{{"data-loss", "data may be lost"}}
	case "target", "exclude", "replace", "adopt", "unprotect":
		return addresses(words, c, func(string) bool { return true })
	}
	return nil
}

// formatsOf are the formats that a command speaks.
func formatsOf(command *cli.Command) []candidate {
	var out []candidate
	for _, name := range formats[command.Name] {
		out = append(out, candidate{name, ""})
	}
	return out
}

// argumentsOf are the arguments that a command can have.
func argumentsOf(command *cli.Command, words []string, c *app.Call) []candidate {
	switch command.Name {
	case "logs", "ps":
		var out []candidate
		for _, k := range addresses(words, c, app.IsRunnable) {
			_, name, _ := strings.Cut(k.text, "/")
			out = append(out, candidate{name, k.text})
		}
		return out
	case "route":
		return exchangesOf(words, c)
	case "completion":
		return []candidate{{"bash", ""}, {"zsh", ""}, {"fish", ""}}
	case "explain":
		var out []candidate
		for _, r := range AllRules(c.Sys.World) {
			out = append(out, candidate{r.Code, r.Title})
		}
		for _, k := range c.Sys.World.Kinds() {
			t := k.Table()
			out = append(out, candidate{t.Kind, render.FirstSentence(t.Doc)})
			for _, f := range t.Fields {
				out = append(out, candidate{t.Kind + "." + f.Key, render.FirstSentence(f.Doc)})
			}
		}
		return out
	}
	return nil
}

// exchangesOf are the names of the exchanges that the spec declares.
func exchangesOf(words []string, c *app.Call) []candidate {
	var out []candidate
	for _, k := range addresses(words, c, func(kind string) bool { return kind == "exchange" }) {
		if a, err := resources.ParseAddr(k.text); err == nil {
			out = append(out, candidate{a.Parts()[1], k.text})
		}
	}
	return out
}

// addresses are those of the spec that the line names, without regard to what
// is wrong with it.
func addresses(words []string, c *app.Call, kind func(string) bool) []candidate {
	options := specs.Options{Files: []string{DefaultSpec}, LookupEnv: c.Sys.LookupEnv}
	files := []string{}
	for i, w := range words[:len(words)-1] {
		if name := strings.TrimLeft(w, "-"); strings.HasPrefix(w, "-") && (name == "f" || name == "file") {
			files = append(files, words[i+1])
		}
	}
	if len(files) > 0 {
		options.Files = files
	}
	spec, _ := specs.Load(options)
	declared, _ := engine.Resolve(spec, c.Sys.World.Kinds())
	var out []candidate
	for _, r := range declared.Resources {
		if kind(r.Addr.Kind) {
			out = append(out, candidate{r.Addr.String(), ""})
		}
	}
	return out
}
