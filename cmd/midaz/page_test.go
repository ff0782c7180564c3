package main

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// markup is a text that does harm wherever it is not taken as text.
const markup = `</script><script>document.title='owned'</script>"'><img src=x onerror=alert(1)>`

// samplePlan is a plan for the stack of this repository with something of
// everything: changes, replacements, removals, and a topology that is new.
func samplePlan(t testing.TB) *engine.Plan {
	t.Helper()
	kinds := app.RealWorld().Kinds()
	spec, problems := specs.Load(specs.Options{Files: []string{"midaz.infra.yaml"}, Dir: "../..", LookupEnv: func(name string) (string, bool) {
		return "canary" + strings.ReplaceAll(name, "_", ""), regexp.MustCompile("PASS|TOKEN|SECRET|KEY").MatchString(name)
	}})
	declared, more := engine.Resolve(spec, kinds)
	if err := append(problems, more...).Err(); err != nil {
		t.Fatal(err)
	}
	var seen []*resources.Observed
	for _, r := range declared.Resources {
		o := &resources.Observed{Addr: r.Addr}
		switch r.Addr.Kind {
		case "network", "volume", "image", "service", "job":
			sealed := resources.Seal(r.Config)
			o.Presence, o.Stack, o.ID, o.Applied, o.Have, o.Refs = resources.Present, declared.Stack, "1", &sealed, resources.Config{}, r.Refs
			for k, v := range r.Config {
				o.Have[k] = revealed(v, func(s string) string { return s })
			}
		}
		switch r.Addr.String() {
		case "service/mongodb", "service/postgres-replica":
			o.Have["image"] = "registry.test/old:1"
			o.Have["labels"] = map[string]any{"note": markup}
		case "user/consumer":
			sealed := resources.Seal(r.Config)
			o.Presence, o.Stack, o.ID, o.Applied, o.Have = resources.Present, declared.Stack, "1", &sealed,
				resources.Config{"tags": []any{"administrator"}}
		}
		seen = append(seen, o)
	}
	for _, name := range []string{"service/legacy-api", "queue/%2F/legacy.orders"} {
		a, err := resources.ParseAddr(name)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, &resources.Observed{Addr: a, Presence: resources.Present, Stack: declared.Stack, ID: "9",
			Notes: []string{"it says " + markup}})
	}
	return engine.MakePlan(declared, engine.NewSeen(seen), engine.Options{AllowEmpty: true})
}

// sampleRun carries a plan out on paper: a gate takes seconds, other steps less;
// the gate named by fails does not pass.
func sampleRun(plan *engine.Plan, fails resources.Addr) (*resources.Run, []*engine.Report) {
	began := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	r := &engine.Report{Plan: plan, Start: began}
	by := map[engine.Step]engine.StepResult{}
	run := &resources.Run{ID: "3f9a1c20", Stack: plan.Stack, Command: "apply", Who: "ann@host", Version: report.Version, Started: began,
		Result: resources.RunDone}
	for n, s := range plan.Steps.Sorted() {
		start, blocked := began.Add(40*time.Millisecond), resources.Addr{}
		for _, need := range plan.Steps.Needs(s) {
			switch by[need].State {
			case graph.Failed:
				blocked = need.Addr
			case graph.Skipped:
				blocked = by[need].Because
			}
			if end := by[need].End; end.After(start) {
				start = end
			}
		}
		res := engine.StepResult{Step: s, State: graph.Done, Did: resources.Create, Start: start}
		if !blocked.IsZero() {
			res = engine.StepResult{Step: s, State: graph.Skipped, Because: blocked}
		} else if s.Verb == engine.VerbAwait {
			res.End = start.Add(time.Duration(2000+700*(n%7)) * time.Millisecond)
		} else {
			res.End = start.Add(time.Duration(60+90*(n%11)) * time.Millisecond)
		}
		if s.Addr == fails && s.Verb == engine.VerbAwait {
			res.State, res.Err, res.RolledBack = graph.Failed, &engine.StepError{Step: s, Err: errors.New("health check failed 3 times: " + markup)},
				true
			run.Result = resources.RunGate
		}
		by[s] = res
		r.Results = append(r.Results, res)
		if res.End.After(r.End) {
			r.End = res.End
		}
	}
	run.Ended = r.End.Add(100 * time.Millisecond)
	run.Add, run.Change, run.Destroy = r.Plan.Counts().Add, r.Plan.Counts().Change, r.Plan.Counts().Destroy
	return run, []*engine.Report{r}
}

// samplePages are a page of each sort.
func samplePages(t testing.TB) map[string]string {
	plan := samplePlan(t)
	run, reports := sampleRun(plan, resources.NewAddr("service", "mongodb"))
	return map[string]string{
		"plan":  render.PlanHTML(plan, nil),
		"graph": render.GraphHTML(plan.Stack)(report.SpecPicture(plan.Declared(), nil)),
		"run":   render.RunHTML(run, reports, nil, nil),
		"failed": render.FailedHTML("plan", markup, errors.New(markup),
			specs.Problems{specs.RuleFile.At(specs.Pos{File: "a.yaml", Line: 1, Col: 2}, markup, markup)}),
	}
}

var (
	loading = regexp.MustCompile(`(?i)\s(src|href|srcset|action|data|xlink:href)\s*=\s*["']?([^"'\s>]*)`)
	loader  = regexp.MustCompile(`(?i)<(script|link|iframe|img|object|embed|base|form|style|use|image)\b`)
	inline  = regexp.MustCompile(`(?is)<(style|script)>(.*?)</(?:style|script)>`)
	handler = regexp.MustCompile(`(?i)<[a-z][^<>]*\s(on[a-z]+|style)\s*=`)
)

// A page refers to nothing but itself, allows itself nothing but its own style
// and script, and takes what comes from outside as text.
func TestPagesStandAlone(t *testing.T) {
	for name, page := range samplePages(t) {
		rest := page
		policy := html.UnescapeString(regexp.MustCompile(`content="(default-src[^"]*)"`).FindStringSubmatch(page)[1])
		for _, m := range inline.FindAllStringSubmatch(page, -1) {
			sum := sha256.Sum256([]byte(m[2]))
			if want := fmt.Sprintf("%s-src 'sha256-%s'", strings.ToLower(m[1]), base64.StdEncoding.EncodeToString(sum[:])); !strings.Contains(policy,
				want) {
				t.Errorf("%s: the policy does not allow its own %s: %s", name, m[1], policy)
			}
			rest = strings.Replace(rest, m[2], "", 1)
			for _, out := range []string{"url(", "@import", "fetch(", "XMLHttpRequest", "import(", "//cdn", "innerHTML", "eval("} {
				if strings.Contains(m[2], out) && out != "url(" {
					t.Errorf("%s: its %s has %q", name, m[1], out)
				}
			}
		}
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %s", name, policy)
		}
		for _, m := range loading.FindAllStringSubmatch(tagsOf(rest), -1) {
			if !strings.HasPrefix(m[2], "#") {
				t.Errorf("%s: it refers to %q", name, m[2])
			}
		}
		var loads []string
		for _, m := range loader.FindAllStringSubmatch(rest, -1) {
			loads = append(loads, strings.ToLower(m[1]))
		}
		if slices.Sort(loads); strings.Join(slices.Compact(loads), " ") != strings.Join(slices.DeleteFunc([]string{"form", "script", "style"},
			func(s string) bool { return s == "form" && name == "failed" }), " ") {
			t.Errorf("%s: it has the elements %v", name, loads)
		}
		if m := handler.FindString(tagsOf(rest)); m != "" {
			t.Errorf("%s: it has %q", name, m)
		}
		if strings.Contains(page, "<img src=x") || strings.Count(page, "<script>") != 1 {
			t.Errorf("%s: a text became markup", name)
		}
		if name != "graph" && !strings.Contains(page, "onerror=alert(1)") {
			t.Errorf("%s: the hostile text is not there at all", name)
		}
		if strings.Contains(page, "canary") {
			t.Errorf("%s: a secret shows", name)
		}
		ids := map[string]bool{}
		for _, m := range regexp.MustCompile(`\sid="([^"]*)"`).FindAllStringSubmatch(page, -1) {
			if ids[m[1]] {
				t.Errorf("%s: two elements have the ID %s", name, m[1])
			}
			ids[m[1]] = true
		}
		for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(rest, -1) {
			if !ids[m[1]] {
				t.Errorf("%s: a link leads to #%s, which is not there", name, m[1])
			}
		}
	}
}

// tagsOf returns a page without what stands between its tags.
func tagsOf(page string) string {
	return strings.Join(regexp.MustCompile(`<[^>]*>`).FindAllString(page, -1), "\n")
}

// What is dangerous stands before all else: the alerts name every removal, and
// entries are in order of danger.
func TestPageOfPlanBeginsWithDangers(t *testing.T) {
	page := render.PlanHTML(large(t), nil)
	danger, graph, entry := strings.Index(page, "box/zz-goes"), strings.Index(page, `class="drawing"`), strings.Index(page, `class="entry`)
	if danger < 0 || danger > graph || graph > entry {
		t.Errorf("danger at %d, drawing at %d, entries at %d", danger, graph, entry)
	}
	if first := page[entry:min(len(page), entry+400)]; !strings.Contains(first, "box/zz-goes") {
		t.Errorf("the first entry is not the removal: %s", first)
	}
	if n := strings.Count(page, `<details class="entry`); n != 1001 {
		t.Errorf("%d entries", n)
	}
	if n := strings.Count(page, "<rect "); n > render.MostBoxes {
		t.Errorf("%d boxes", n)
	}
}

// Of resources that differ only in their names one box stands for all, and a
// drawing never has more boxes than can be looked at.
func TestDrawingFoldsAndBounds(t *testing.T) {
	var pic report.Picture
	hub := resources.NewAddr("box", "hub")
	pic.Nodes = append(pic.Nodes, report.Node{Addr: hub, Action: resources.Delete})
	for i := range 50 {
		a := resources.NewAddr("box", fmt.Sprintf("leaf-%02d", i))
		pic.Nodes = append(pic.Nodes, report.Node{Addr: a, Action: resources.Create})
		pic.Edges = append(pic.Edges, report.Edge{From: a, To: hub})
	}
	all, at, left := render.BoxesOf(pic)
	if len(all) != 2 || left != 0 || len(all[1].Nodes) != 50 || at[pic.Nodes[7].Addr] != 1 {
		t.Errorf("%d boxes, %d left out", len(all), left)
	}
	for i := range 900 { // each with another gate: nothing folds
		pic.Nodes = append(pic.Nodes, report.Node{Addr: resources.NewAddr("crate", fmt.Sprint(i)), Action: resources.Create, Gate: fmt.Sprint(i)})
	}
	all, at, left = render.BoxesOf(pic)
	if _, kept := at[hub]; len(all) != render.MostBoxes || !kept || left != 951-len(at) {
		t.Errorf("%d boxes, %d left out, the removal is drawn: %v", len(all), left, kept)
	}
}

// The critical path is the chain that ended last, each step of it waiting for
// the one before, and nothing of it could have begun earlier.
func TestTimelineFollowsWhatWasWaitedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := &engine.Plan{}
		n := rapid.IntRange(1, 12).Draw(t, "steps")
		step := func(i int) engine.Step {
			return engine.Step{Addr: resources.NewAddr("box", fmt.Sprint(i)), Verb: engine.VerbCreate}
		}
		began := time.Unix(1000, 0)
		ends := make([]time.Time, n)
		results := map[engine.Step]engine.StepResult{}
		for i := range n {
			var needs []engine.Step
			start := began
			for j := range i {
				if rapid.IntRange(0, 3).Draw(t, "needs") == 0 {
					needs = append(needs, step(j))
					if ends[j].After(start) {
						start = ends[j]
					}
				}
			}
			plan.Steps.Add(step(i), needs...)
			ends[i] = start.Add(time.Duration(rapid.IntRange(1, 9).Draw(t, "seconds")) * time.Second)
			results[step(i)] = engine.StepResult{Step: step(i), Start: start, End: ends[i]}
		}
		r := &engine.Report{Plan: plan}
		last := began
		for _, s := range plan.Steps.Sorted() {
			r.Results = append(r.Results, results[s])
			if results[s].End.After(last) {
				last = results[s].End
			}
		}
		line := report.NewTimeline(began, []*engine.Report{r})
		if line.Total != last.Sub(began) {
			t.Fatalf("total %v, want %v", line.Total, last.Sub(began))
		}
		at := time.Duration(0)
		for i, s := range line.Path {
			if s.Begin != at {
				t.Fatalf("step %d of the path began at %v, the one before ended at %v", i, s.Begin, at)
			}
			if i > 0 && !slices.Contains(plan.Steps.Needs(s.Step), line.Path[i-1].Step) {
				t.Fatalf("%v did not wait for %v", s.Step, line.Path[i-1].Step)
			}
			at = s.End
		}
		if at != line.Total {
			t.Fatalf("the path ends at %v of %v", at, line.Total)
		}
	})
}

// A later round waited for the one before.
func TestTimelineJoinsRounds(t *testing.T) {
	began := time.Unix(1000, 0)
	round := func(name string, from, to int) *engine.Report {
		s := engine.Step{Addr: resources.NewAddr("box", name), Verb: engine.VerbCreate}
		p := &engine.Plan{}
		p.Steps.Add(s)
		return &engine.Report{Plan: p, Results: []engine.StepResult{{Step: s, Start: began.Add(time.Duration(from) * time.Second),
			End: began.Add(time.Duration(to) * time.Second)}}}
	}
	line := report.NewTimeline(began, []*engine.Report{round("a", 0, 3), round("b", 4, 9)})
	if len(line.Path) != 2 || line.Total != 9*time.Second || line.Path[1].After != line.Path[0] || line.Path[1].Ready != 3*time.Second {
		t.Errorf("%d steps on the path, %v in all", len(line.Path), line.Total)
	}
	if got := render.WaitText(line.Path[1]); got != "the creation of box/a, until 3.0s; then 1.0s for its turn (-parallelism)" {
		t.Error(got)
	}
}
