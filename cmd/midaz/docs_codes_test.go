package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
)

// codePage describes every rule: what it means, and what it looks like on the
// shortest file of the corpus that breaks it.
func codePage() map[string]string {
	p := generated("Codes", "the rules")
	rules := cli.AllRules(app.RealWorld())
	p.Line("Every finding of `midaz validate` has a code, and every other command that reads the spec finds the same. `midaz explain CODE` " +
		"tells this in a terminal.")
	p.Line("An error ends the command with status 1 before anything is done. A warning changes no exit status; the comment `# midaz:ignore " +
		"CODE reason` on its line silences it.\n")
	var rows [][]string
	for _, r := range rules {
		rows = append(rows, []string{fmt.Sprintf("[%s](#%s)", r.Code, anchor(r.Code)), string(r.Severity), running(r.Title)})
	}
	p.table([]string{"code", "severity", "what is wrong"}, rows)
	for _, r := range rules {
		p.Line("## %s\n", r.Code)
		p.Line("%s: **%s**\n", sentence(string(r.Severity)), running(r.Title))
		p.Line("%s\n", running(strings.TrimSpace(r.Explain)))
		if r.Silenceable {
			p.Line("It can be silenced with `# midaz:ignore %s reason`.\n", r.Code)
		}
		if text := corpusOutput(r.Code); text != "" {
			p.block("text", text)
		}
	}
	return map[string]string{"codes.md": p.String()}
}

// corpusOutput is what is said of a file of the corpus about one code,
// "" when none is short enough to be read at a glance.
func corpusOutput(code string) string {
	files, _ := filepath.Glob("testdata/invalid/" + code + "-*.yaml")
	shortest := ""
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// Every command finds the same in a spec, and this one does so soonest.
		args := []string{"graph", "-format", "text", "-chdir", filepath.Dir(file)}
		if m := argsLine.FindStringSubmatch(string(text)); m != nil {
			args = append(args, strings.Fields(strings.ReplaceAll(m[1], "FILE", filepath.Base(file)))...)
		}
		if !strings.Contains(strings.Join(args, " "), " -f ") {
			args = append(args, "-f", filepath.Base(file))
		}
		_, _, errs := runReal(args...)
		here, _ := filepath.Abs(filepath.Dir(file))
		errs = strings.ReplaceAll(errs, here+string(filepath.Separator), "")
		if found := findingOf(errs, code); found != "" && (shortest == "" || len(found) < len(shortest)) {
			shortest = found
		}
	}
	return shortest
}

// findingOf cuts the finding with that code out of what was printed.
func findingOf(text, code string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case strings.HasSuffix(line, "["+code+"]"):
			out = append(out, line)
		case len(out) > 0 && strings.HasPrefix(line, "  "):
			out = append(out, line)
		case len(out) > 0:
			return strings.Join(out, "\n")
		}
	}
	return strings.Join(out, "\n")
}
