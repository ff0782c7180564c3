package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	midazcli "github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
)

// variableDocs are the variables of the environment that the program reads,
// with the flag of the commands that read them; "" is all.
var variableDocs = []struct{ name, flag, doc string }{
	{"MIDAZ_FILE", "file", "the spec files, separated by `:`, when no -f is given"},
	{"MIDAZ_PROFILES", "profile", "the profiles that are on, separated by `,`, when no -profile is given"},
	{"MIDAZ_VAR_NAME", "var", "the value of the variable NAME of the spec; the plain `NAME` is read after it"},
	{"MIDAZ_INPUT", "input", "`0` forbids to ask, as -input=false does"},
	{"MIDAZ_ACTOR", "on-failure", "who does this, for the journal; else GITHUB_ACTOR, GITLAB_USER_LOGIN, BITBUCKET_STEP_TRIGGERER_UUID, " +
		"BUILDKITE_BUILD_CREATOR, or the user and the host"},
	{"MIDAZ_CLI_ARGS", "", "flags for every command, before those of the command line"},
	{"MIDAZ_CLI_ARGS_COMMAND", "", "flags for one command: `MIDAZ_CLI_ARGS_plan`"},
	{"DOCKER_HOST", "", "the engine: `unix:///…`, `tcp://…`, `ssh://user@host`"},
	{"DOCKER_CONTEXT", "", "the context of the Docker command line to use"},
	{"DOCKER_CONFIG", "", "the folder of contexts and registry logins"},
	{"DOCKER_TLS_VERIFY", "", "speak TLS to the engine"},
	{"DOCKER_CERT_PATH", "", "the folder of `ca.pem`, `cert.pem` and `key.pem`"},
	{"DOCKER_API_VERSION", "", "the version of the engine's API to speak"},
	{"NO_COLOR", "", "no colours"},
	{"CLICOLOR_FORCE, FORCE_COLOR", "", "colours also where nobody is at a terminal"},
}

// statusDocs are the exit statuses, with the flag of the commands that can end
// with them; "" is all.
var statusDocs = []struct {
	status    int
	flag, doc string
	commands  []string
}{
	{0, "", "done, or nothing to do", nil},
	{1, "", "an error: an invalid spec, an engine that does not answer, no approval", nil},
	{2, "detailed-exitcode", "with -detailed-exitcode: there is something to do", nil},
	{2, "suggest-ignore", "there is drift", nil},
	{2, "header", "the message reaches no queue, or the broker refuses it", nil},
	{3, "on-failure", "applied in part: an operation failed", nil},
	{4, "on-failure", "a gate failed or timed out", nil},
	{5, "on-failure", "another run holds the lock", nil},
	{5, "", "the holder of the lock is alive and -force is not given", []string{"unlock"}},
	{6, "", "the plan file is stale", []string{"apply"}},
	{7, "allow", "refused by protection, ownership, a hazard or -max-destroy", nil},
	{64, "", "the command line is wrong", nil},
	{130, "", "interrupted (SIGINT)", nil},
	{143, "", "ended (SIGTERM)", nil},
}

// commandPages describe every command from its flags.
func commandPages() map[string]string {
	index := generated("Commands", "the definitions of the commands")
	index.Line("Flags take one dash or two and stand before or behind arguments. Data goes to standard output, progress and messages to " +
		"standard error.\n")
	pages := map[string]string{}
	for _, group := range []string{midazcli.GroupMain, midazcli.GroupLook, midazcli.GroupWrite, midazcli.GroupTool} {
		var rows [][]string
		for _, c := range midazcli.Commands() {
			if c.Category == group && !c.Hidden {
				file := strings.ReplaceAll(c.Name, " ", "-") + ".md"
				rows = append(rows, []string{fmt.Sprintf("[midaz %s](%s)", c.Name, file), running(c.Usage)})
				pages["commands/"+file] = commandText(c)
			}
		}
		index.Line("## %s\n", group)
		index.table([]string{"command", "does"}, rows)
	}
	index.Line("## Exit statuses\n")
	var rows [][]string
	for _, s := range statusDocs {
		var who []string
		for _, c := range midazcli.Commands() {
			if s.flag+strings.Join(s.commands, "") != "" && canEnd(c, s.flag, s.commands) {
				who = append(who, c.Name)
			}
		}
		if who == nil {
			who = []string{"all"}
		}
		rows = append(rows, []string{fmt.Sprint(s.status), running(s.doc), strings.Join(who, ", ")})
	}
	index.table([]string{"status", "meaning", "commands"}, rows)
	index.Line("[What to do about each of them](../../troubleshooting.md#exit-statuses)\n")
	index.Line("## Environment\n")
	rows = nil
	for _, v := range variableDocs {
		rows = append(rows, []string{codeOrNone(v.name), running(v.doc)})
	}
	index.table([]string{"variable", "meaning"}, rows)
	pages["commands/README.md"] = index.String()
	return pages
}

func canEnd(c *cli.Command, flag string, names []string) bool {
	if names != nil {
		return slices.Contains(names, c.Name)
	}
	f := midazcli.FlagsOf(c)[flag]
	return flag == "" || f != nil && !c.Hidden
}

func commandText(c *cli.Command) string {
	p := generated("midaz "+c.Name, "the definition of the command")
	p.Line("%s\n", sentence(c.Usage)+".")
	usage := "midaz " + c.Name + " [FLAGS]"
	if c.ArgsUsage != "" {
		usage += " " + c.ArgsUsage
	}
	p.block("text", usage)
	text, examples, _ := strings.Cut(c.Description, "Examples:\n")
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(paragraph, "  ") {
			p.block("yaml", outdent(paragraph))
			continue
		}
		p.Line("%s\n", running(paragraph))
	}
	if examples != "" {
		p.Line("## Examples\n")
		p.block("sh", outdent(examples))
	}
	p.Line("## Flags\n")
	var rows [][]string
	for _, f := range c.Flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
			continue
		}
		standard := ""
		if d, ok := f.(cli.DocGenerationFlag); ok && d.TakesValue() {
			standard = strings.Trim(d.GetDefaultText(), `"`)
		}
		if standard == "0" || standard == "0s" {
			standard = "" // not given is none, which the text says
		}
		rows = append(rows, []string{codeOrNone(midazcli.FlagNames(f)), running(midazcli.FlagUsage(f)), codeOrNone(standard)})
	}
	p.table([]string{"flag", "what it does", "default"}, rows)
	rows = nil
	for _, v := range variableDocs {
		if v.flag != "" && midazcli.FlagsOf(c)[v.flag] != nil {
			rows = append(rows, []string{codeOrNone(v.name), running(v.doc)})
		}
	}
	if rows != nil {
		p.Line("## Environment\n")
		p.table([]string{"variable", "meaning"}, rows)
		p.Line("[Variables that hold for every command](README.md#environment)\n")
	}
	p.Line("## Exit statuses\n")
	rows = nil
	for _, s := range statusDocs {
		if canEnd(c, s.flag, s.commands) {
			rows = append(rows, []string{fmt.Sprint(s.status), running(s.doc)})
		}
	}
	p.table([]string{"status", "meaning"}, rows)
	return p.String()
}

// outdent takes the indentation of two spaces away.
func outdent(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "  ")
	}
	return strings.Join(lines, "\n")
}

// TestDocsVariables: what the code reads of the environment by a name of ours
// or of Docker is described.
func TestDocsVariables(t *testing.T) {
	var described []string
	for _, v := range variableDocs {
		described = append(described, v.name+" "+v.doc)
	}
	all := strings.Join(described, "\n")
	name := regexp.MustCompile(`"((?:MIDAZ|DOCKER)_[A-Z_]+)"`)
	for _, glob := range []string{"cmd/midaz/internal/*/*.go", "specs/*.go", "engine/*.go", "resources/docker/*.go",
		"resources/dockerapi/*.go", "resources/rabbitmq/*.go"} {
		files, err := filepath.Glob(filepath.Join(projectRoot, glob))
		if err != nil || files == nil {
			t.Fatalf("no files: %v", err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range name.FindAllStringSubmatch(string(text), -1) {
				if !strings.Contains(all, m[1]) {
					t.Errorf("%s reads %s, which docs/reference does not describe: add it to variableDocs", file, m[1])
				}
			}
		}
	}
}

// TestDocsStatuses: every status that the program can end with is described.
func TestDocsStatuses(t *testing.T) {
	text, err := os.ReadFile("internal/cli/program.go")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "func ExitStatus(")
	body, _, _ = strings.Cut(body, "\n}\n")
	found := regexp.MustCompile(`return ([0-9]+)`).FindAllStringSubmatch(body, -1)
	if len(found) < 10 {
		t.Fatalf("only %d statuses found", len(found))
	}
	for _, m := range found {
		known := false
		for _, s := range statusDocs {
			known = known || s.status == number(m[1])
		}
		if !known {
			t.Errorf("status %s is not described in statusDocs", m[1])
		}
	}
}
