package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/specs"
)

// elsewhere are rules that a file alone cannot break, with where they are
// tested.
var elsewhere = map[string]string{
	"MZ120": "only an engine knows what it does not take: resources/docker and e2e test it",
	"MZ115": "only an engine knows what it does not have: resources/docker tests it against each",
	"MZ056": "only an engine can have lost its record: resources/docker and engine test it",
	"MZ054": "only a plan can break a rule: testdata/script/policy.txtar",
}

// A file of the corpus begins with comments that say what is expected and how
// it is called:
//
//	# want 7:5 MZ022
//	# args -var PASS=x
//
// In args, FILE stands for the file itself; with -f it is not given by itself.
var (
	wantLine = regexp.MustCompile(`(?m)^# want (?:(\S+):)?([0-9]+):([0-9]+) (MZ[0-9]{3})$`)
	argsLine = regexp.MustCompile(`(?m)^# args (.*)$`)
)

// TestCorpus: every rule has a file that breaks it, which is refused at the
// very place, before anything else happens.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	covered := map[string]bool{}
	for _, file := range files {
		covered[filepath.Base(file)[:5]] = true
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			checkInvalid(t, file)
		})
	}
	for _, r := range cli.AllRules(app.RealWorld()) {
		if !covered[r.Code] && elsewhere[r.Code] == "" {
			t.Errorf("no file of the corpus breaks %s: %s", r.Code, r.Title)
		}
	}
}

// runReal runs the program as it is shipped, with an engine that is not there.
func runReal(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	env := map[string]string{"DOCKER_HOST": "unix:///nonexistent/docker.sock", "HOME": "/nonexistent"}
	status = cli.Run(context.Background(), args, app.System{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Now: newClock().now, World: app.RealWorld(),
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	return status, out.String(), errs.String()
}

func checkInvalid(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := wantLine.FindStringSubmatch(string(text))
	if want == nil {
		t.Fatal("the file does not say what is wanted: # want LINE:COLUMN CODE")
	}
	name := filepath.Base(file)
	args := []string{"-chdir", filepath.Dir(file)}
	if m := argsLine.FindStringSubmatch(string(text)); m != nil {
		args = append(args, strings.Fields(strings.ReplaceAll(m[1], "FILE", name))...)
	}
	if !slices.Contains(args, "-f") {
		args = append(args, "-f", name)
	}
	in, line, column, code := want[1], want[2], want[3], want[4]
	if in == "" {
		in = name
	}
	if !strings.HasPrefix(name, code) {
		t.Fatalf("the file is named for another rule than %s", code)
	}

	status, out, _ := runReal(append([]string{"validate", "-json"}, args...)...)
	var answer render.JSONValidate
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, out)
	}
	var found *render.JSONProblem
	errors := 0
	for i, d := range answer.Diagnostics {
		if d.Severity == string(specs.Error) {
			errors++
		}
		if d.Code == code {
			found = &answer.Diagnostics[i]
		}
	}
	if found == nil {
		t.Fatalf("%s was not found; there is:\n%s", code, out)
	}
	if line != "0" && (found.Range == nil || found.Range.Filename != in || found.Range.Start.Line != number(line) ||
		found.Range.Start.Column != number(column)) {
		t.Errorf("%s stands at %+v, want %s:%s:%s", code, found.Range, in, line, column)
	}
	if answer.ErrorCount != errors || answer.Valid != (errors == 0) {
		t.Errorf("counts of the JSON are wrong: %+v", answer)
	}
	if found.Severity == string(specs.Warning) {
		if status != 0 || errors != 0 {
			t.Errorf("a warning: status %d with %d errors, want 0:\n%s", status, errors, out)
		}
		return
	}
	if status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	if errors != 1 {
		t.Errorf("%d errors, want this one alone:\n%s", errors, out)
	}
	// The commands that do something refuse it at the same place, before they
	// look for an engine.
	status, _, errs := runReal(append([]string{"apply", "-auto-approve"}, args...)...)
	at := ""
	if line != "0" {
		at = fmt.Sprintf("%s:%s:%s: error: ", in, line, column)
	}
	if status != 1 || !strings.Contains(errs, at) || !strings.Contains(errs, "["+code+"]") || strings.Contains(errs, "nonexistent") {
		t.Errorf("apply: status %d, and:\n%s", status, errs)
	}
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
