package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	invopop "github.com/invopop/jsonschema"
	sariflib "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	santhosh "github.com/santhosh-tekuri/jsonschema/v5"
	"github.com/urfave/cli/v2"
	"golang.org/x/tools/txtar"

	midazcli "github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
	"github.com/LerianStudio/midaz-infra/specs"
)

// documents are the JSON formats that have a schema under schema/.
var documents = map[string]any{
	"plan": render.JSONPlan{}, "drift": render.JSONDrift{}, "validate": render.JSONValidate{}, "stream": render.JSONLine{},
	"observation": engine.Recording{},
}

// TestSchemasOfFormats holds the checked-in schema of each JSON format against
// the types that the format is made from; -update writes them.
func TestSchemasOfFormats(t *testing.T) {
	comments := commentsOf(t, "internal/render", "../../engine")
	for name, doc := range documents {
		r := invopop.Reflector{Anonymous: true, DoNotReference: false, RequiredFromJSONSchemaTags: false, AllowAdditionalProperties: true}
		// The schema's names stay what they are, however Go spells a type.
		lower := func(text string) string {
			if rest, ok := strings.CutPrefix(text, "JSON"); ok {
				return "json" + rest
			}
			return text
		}
		r.Namer = func(t reflect.Type) string { return lower(t.Name()) }
		r.LookupComment = func(t reflect.Type, field string) string {
			return lower(comments[strings.TrimSuffix(t.Name()+"."+field, ".")])
		}
		s := r.Reflect(doc)
		s.ID = invopop.ID("https://github.com/LerianStudio/midaz-infra/schema/" + name + ".schema.json")
		s.Title = "midaz: " + name + " as JSON"
		for def, part := range s.Definitions {
			for p := part.Properties.Oldest(); p != nil; p = p.Next() {
				if p.Value.Description == "" {
					t.Errorf("%s: nothing says what %s of %s is", name, p.Key, def)
				}
			}
		}
		text, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("..", "..", "schema", name+".schema.json")
		if *update {
			if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if have, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(have)) != string(text) {
			t.Errorf("%s is stale (%v): go test ./cmd/midaz -run Schemas -update", path, err)
		}
	}
}

// commentsOf returns the comments of the types and of their fields in Go
// packages, by Type and Type.Field.
func commentsOf(t *testing.T, folders ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range parsed.Decls {
				decl, ok := d.(*ast.GenDecl)
				if !ok || decl.Tok != token.TYPE {
					continue
				}
				for _, spec := range decl.Specs {
					typ := spec.(*ast.TypeSpec)
					body, ok := typ.Type.(*ast.StructType)
					if !ok {
						continue
					}
					out[typ.Name.Name] = strings.Join(strings.Fields(cmp.Or(typ.Doc.Text(), decl.Doc.Text())), " ")
					for _, f := range body.Fields.List {
						for _, n := range f.Names {
							out[typ.Name.Name+"."+n.Name] = strings.Join(strings.Fields(cmp.Or(f.Doc.Text(), f.Comment.Text())), " ")
						}
					}
				}
			}
		}
	}
	return out
}

// TestGoldensFollowTheirSchemas checks every JSON document that the scripts
// expect against the schema of its format.
func TestGoldensFollowTheirSchemas(t *testing.T) {
	schemas := map[string]*santhosh.Schema{}
	for name := range documents {
		s, err := santhosh.Compile(filepath.Join("..", "..", "schema", name+".schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		schemas[name] = s
	}
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]int{}
	for _, script := range scripts {
		archive, err := txtar.ParseFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			var doc map[string]any
			if json.Unmarshal(f.Data, &doc) != nil {
				continue
			}
			kind := ""
			switch {
			case doc["resource_changes"] != nil:
				kind = "plan"
			case doc["pending"] != nil:
				kind = "drift"
			case doc["objects"] != nil:
				kind = "observation"
			case doc["error_count"] != nil:
				kind = "validate"
			default:
				continue
			}
			checked[kind]++
			if err := schemas[kind].Validate(doc); err != nil {
				t.Errorf("%s of %s: %v", f.Name, script, err)
			}
		}
	}
	for _, kind := range []string{"plan", "drift", "validate", "observation"} {
		if checked[kind] == 0 {
			t.Errorf("no script expects a document of %s", kind)
		}
	}
}

// A document that could not be made has the form that it would have had.
func TestFailuresFollowTheirSchemas(t *testing.T) {
	root := absoluteRoot(t)
	t.Chdir(t.TempDir())
	for what, spec := range map[string]string{"unreachable": reviewedSpec, "invalid": badSpec} {
		if err := os.WriteFile(midazcli.DefaultSpec, []byte(spec), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"plan", "drift"} {
			var out, errs bytes.Buffer
			sys := fakeSystem()
			sys.Stdout, sys.Stderr = &out, &errs
			t.Setenv("UNREACHABLE", "1")
			if status := midazcli.Run(t.Context(), []string{verb, "-json"}, sys); status != 1 {
				t.Errorf("%s %s: status %d", what, verb, status)
			}
			var doc map[string]any
			if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
				t.Fatalf("%s %s: %v\n%s", what, verb, err, out.String())
			}
			s, err := santhosh.Compile(filepath.Join(root, "schema", verb+".schema.json"))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Validate(doc); err != nil {
				t.Errorf("%s %s: %v", what, verb, err)
			}
			if _, told := doc["drifted"]; doc["errored"] != true || told || len(doc["diagnostics"].([]any)) == 0 {
				t.Errorf("%s %s: %s", what, verb, out.String())
			}
		}
	}
}

// large is a plan that makes a thousand boxes and removes one.
func large(t *testing.T) *engine.Plan {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: \"1\"\nstack: large\nboxes:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  new-box-number-%04d: {size: %d, text: \"some text that is not short\"}\n", i, i)
	}
	kinds := fake.Kinds()
	spec, problems := specs.Load(specs.Options{Files: []string{"-"}, Stdin: strings.NewReader(b.String())})
	declared, more := engine.Resolve(spec, kinds)
	if err := append(problems, more...).Err(); err != nil {
		t.Fatal(err)
	}
	seen := []*resources.Observed{{Addr: resources.NewAddr("box", "zz-goes"), Presence: resources.Present, Stack: "large", ID: "1"}}
	for _, r := range declared.Resources {
		seen = append(seen, &resources.Observed{Addr: r.Addr})
	}
	return engine.MakePlan(declared, engine.NewSeen(seen), engine.Options{})
}

// One removal among a thousand changes is on the first screen of each format,
// and a comment stays below what GitHub takes.
func TestDangerComesFirst(t *testing.T) {
	const screen = 25 // lines
	const wide = 400  // characters of a line that are still seen
	plan := large(t)
	drifted := engine.Drift{Plan: plan, Changed: plan.Changes[:0:0]}
	for _, c := range plan.Changes {
		if c.Action == resources.Delete {
			drifted.Changed = append(drifted.Changed, c)
		} else {
			drifted.Pending = append(drifted.Pending, c)
		}
	}
	var warnings specs.Problems // about the same spec, which are of less weight
	rule := &specs.Rule{Code: "MZ107", Severity: specs.Warning, Title: "x", Explain: "y"}
	for i := range 100 {
		warnings = append(warnings, rule.At(specs.Pos{File: "-", Line: i + 1, Col: 1}, "this could be better", ""))
	}
	v := &midazcli.View{Flags: cli.NewContext(nil, flag.NewFlagSet("", 0), nil), Sys: fakeSystem()}
	formats := v.PlanRenderings(report.PlanMade{Plan: plan, Problems: warnings})
	formats[render.FormatMarkdown] = func(string) string { return render.PlanMarkdown(plan, warnings, render.MaxComment) }
	for name, form := range formats {
		text := form("")
		want := "box/zz-goes"
		switch name {
		case render.FormatGitLab: // it has room for numbers only
			want = `"delete": 1`
		case render.FormatHTML: // its first screen is looked at in a browser
			text = regexp.MustCompile(`(?s)<(style|script)[ >].*?</(style|script)>|<svg.*?</svg>|<[^>]*>`).ReplaceAllString(text, " ")
			text = regexp.MustCompile(`\s*\n\s*`).ReplaceAllString(text, "\n")
		}
		if !strings.Contains(firstScreen(text, screen, wide), want) {
			t.Errorf("%s: the removal is not among the first lines:\n%s", name, firstScreen(text, screen, wide))
		}
	}
	for _, f := range render.PlanFormats {
		if formats[f] == nil {
			t.Errorf("%s was not looked at", f)
		}
	}
	for name, text := range map[string]string{
		"drift": render.DriftText(drifted, false), "drift markdown": render.DriftMarkdown(drifted, render.MaxComment),
		"drift github": render.DriftGitHub(drifted, nil), "drift json": render.JSONText(render.DriftJSON(drifted, nil)),
	} {
		if !strings.Contains(firstScreen(text, screen, wide), "box/zz-goes") {
			t.Errorf("%s: the removal is not among the first lines:\n%s", name, firstScreen(text, screen, wide))
		}
	}
	text := render.PlanMarkdown(plan, nil, render.MaxComment)
	if len(text) > render.MaxComment {
		t.Errorf("%d bytes", len(text))
	}
	if !regexp.MustCompile(`\d+ changes left out`).MatchString(text) {
		t.Error("what was left out is not counted")
	}
	if n := strings.Count(render.PlanGitHub(plan, nil), "::notice"); n != render.MaxAnnotations {
		t.Errorf("%d notices", n)
	}
	// On a terminal the last screen is the one that is seen.
	all := strings.Split(strings.TrimSpace(render.PlanText(plan, false)), "\n")
	if last := strings.Join(all[len(all)-screen:], "\n"); !strings.Contains(last, "box/zz-goes") {
		t.Error("text: the removal is not among the last lines")
	}
}

// firstScreen is what is seen of a text without scrolling.
func firstScreen(text string, lines, wide int) string {
	all := strings.SplitN(text, "\n", lines+1)
	all = all[:min(lines, len(all))]
	for i, l := range all {
		all[i] = l[:min(wide, len(l))]
	}
	return strings.Join(all, "\n")
}

// SARIF is checked by a library that has the standard's schema.
func TestSARIF(t *testing.T) {
	rule := &specs.Rule{Code: "MZ001", Severity: specs.Error, Title: "x", Explain: "y"}
	p := rule.At(specs.Pos{File: "a b/ü.yaml", Line: 3, Col: 4}, "message", "hint").And(specs.Pos{File: "other.yaml", Line: 1, Col: 1},
		"there")
	twice := *p
	twice.Pos.Line++
	for name, text := range map[string]string{
		"none": render.ValidateSARIF(nil), "problems": render.ValidateSARIF(specs.Problems{p, &twice}),
		"plan": render.PlanSARIF(large(t), specs.Problems{p}),
	} {
		report, err := sariflib.FromBytes([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := report.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var log render.SarifLog
	if err := json.Unmarshal([]byte(render.ValidateSARIF(specs.Problems{p, &twice})), &log); err != nil {
		t.Fatal(err)
	}
	results := log.Runs[0].Results
	if results[0].Fingerprints["midaz/v1"] == results[1].Fingerprints["midaz/v1"] {
		t.Error("two results have one fingerprint")
	}
	if uri := results[0].Locations[0].Physical.Artifact.URI; uri != "a%20b/%C3%BC.yaml" {
		t.Error(uri)
	}
}

// Metrics are read by Prometheus' own parser; the times that outlast a run do.
func TestMetrics(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	c := &engine.Change{Addr: resources.NewAddr("box", "a"), Action: resources.Update}
	plan := &engine.Plan{Stack: `s"1\`}
	run := func(found *engine.Drift, exit int, before string) (map[string]float64, string) {
		t.Helper()
		at = at.Add(time.Hour)
		text := render.DriftMetrics(render.DriftRun{Stack: plan.Stack, Found: found, Began: at.Add(-time.Second), Ended: at, Exit: exit}, before)
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(bytes.NewReader([]byte(text)))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		out := map[string]float64{}
		for name, f := range families {
			if f.GetHelp() == "" {
				t.Errorf("%s has no help", name)
			}
			out[name] = f.GetMetric()[0].GetGauge().GetValue()
		}
		return out, text
	}
	first, text := run(&engine.Drift{Plan: plan, Changed: []*engine.Change{c}}, 2, "")
	if first["midaz_drift_detected"] != 1 || first["midaz_drift_first_seen_timestamp_seconds"] != float64(at.Unix()) ||
		first["midaz_run_exit_code"] != 2 {
		t.Errorf("%v", first)
	}
	again, text := run(&engine.Drift{Plan: plan, Changed: []*engine.Change{c}}, 2, text)
	if again["midaz_drift_first_seen_timestamp_seconds"] != first["midaz_drift_first_seen_timestamp_seconds"] {
		t.Error("first seen did not survive the next run")
	}
	failed, text := run(nil, 1, text)
	if failed["midaz_last_success_timestamp_seconds"] != again["midaz_last_success_timestamp_seconds"] || failed["midaz_run_exit_code"] != 1 ||
		failed["midaz_drift_detected"] != 1 || failed["midaz_last_run_timestamp_seconds"] != float64(at.Unix()) {
		t.Errorf("%v", failed)
	}
	clean, _ := run(&engine.Drift{Plan: plan}, 0, text)
	if clean["midaz_drift_detected"] != 0 || clean["midaz_drift_first_seen_timestamp_seconds"] != 0 {
		t.Errorf("%v", clean)
	}
}

func TestWorkflowCommandsAreEscaped(t *testing.T) {
	a := render.Annotation{Level: "error", Pos: specs.Pos{File: "a,b:c.yaml", Line: 1, Col: 2}, Title: "50%", Message: "two\nlines 100%"}
	if got, want := a.Command(), "::error file=a%2Cb%3Ac.yaml,line=1,endLine=1,col=2,endColumn=3,title=50%25::two%0Alines 100%25\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
