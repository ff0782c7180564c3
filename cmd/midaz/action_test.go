package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/itchyny/gojq"
	"github.com/rhysd/actionlint"
	"gopkg.in/yaml.v3"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
)

// absoluteRoot is projectRoot from the top of the file system.
func absoluteRoot(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(projectRoot)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(absoluteRoot(t), name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// compositeAction is action.yml, as far as a runner needs it.
type compositeAction struct {
	Inputs  map[string]struct{ Default string }
	Outputs map[string]struct{ Value string }
	Runs    struct {
		Using string
		Steps []struct {
			ID, If, Shell, Run, Uses string
			Env, With                map[string]string
		}
	}
}

// hostedRunner runs the steps of action.yml as GitHub does, on a folder with a
// spec and a fake world.
type hostedRunner struct {
	t         *testing.T
	workspace string
	temp      string
	event     map[string]any
	inputs    map[string]string
	environ   []string
	steps     map[string]map[string]string // outputs by id
	log       bytes.Buffer
}

var (
	anyExpression = regexp.MustCompile(`\$\{\{ *([a-z_.-]+) *\}\}`)
	condition     = regexp.MustCompile(`^([a-z_.-]+) == '([a-z]*)'$`)
	versionText   = regexp.MustCompile(`(?m)^midaz \S+ \(.*\)$`)
	randomToken   = regexp.MustCompile(`[0-9a-f]{32}`)
)

func newHostedRunner(t *testing.T, event map[string]any) *hostedRunner {
	t.Helper()
	for _, tool := range []string{"bash", "od", "paste"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s", tool)
		}
	}
	temp := t.TempDir()
	r := &hostedRunner{t: t, workspace: t.TempDir(), temp: temp, event: event}
	text, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	r.write(filepath.Join(temp, "event.json"), string(text))
	r.environ = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "RUNNER_TEMP=" + temp, "CI=true", "GITHUB_ACTIONS=true",
		"GITHUB_WORKSPACE=" + r.workspace, "GITHUB_REPOSITORY=owner/infra", "GITHUB_EVENT_NAME=pull_request",
		"GITHUB_EVENT_PATH=" + filepath.Join(temp, "event.json"), "GITHUB_ACTION_PATH=" + absoluteRoot(t),
		"GITHUB_STEP_SUMMARY=" + filepath.Join(temp, "summary.md"), "FAKE_GH=" + filepath.Join(temp, "comments.json"),
		// As a workflow with the permission id-token has it.
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN=hunter2",
	}
	return r
}

func (r *hostedRunner) write(name, text string) {
	r.t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(r.workspace, name)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// read returns a file of the runner's own, "" when there is none.
func (r *hostedRunner) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(r.temp, name))
	return string(text)
}

// midaz runs the program in the workspace.
func (r *hostedRunner) midaz(args ...string) {
	r.t.Helper()
	c := exec.Command("midaz", args...)
	c.Dir, c.Env = r.workspace, r.environ
	if out, err := c.CombinedOutput(); err != nil {
		r.t.Fatalf("midaz %v: %v\n%s", args, err, out)
	}
}

// lookup returns the value of a name of the contexts inputs, steps and github.
func (r *hostedRunner) lookup(name string) string {
	parts := strings.Split(name, ".")
	switch {
	case parts[0] == "inputs" && len(parts) == 2:
		value, ok := r.inputs[parts[1]]
		if !ok {
			r.t.Errorf("%s is no input", name)
		}
		return value
	case parts[0] == "steps" && len(parts) == 4 && parts[2] == "outputs":
		if r.steps[parts[1]] == nil {
			r.t.Errorf("%s: no such step has run", name)
		}
		return r.steps[parts[1]][parts[3]]
	case name == "github.token":
		return "the-token"
	case name == "github.action_path":
		return absoluteRoot(r.t)
	case parts[0] == "github" && parts[1] == "event":
		var at any = r.event
		for _, p := range parts[2:] {
			m, _ := at.(map[string]any)
			at = m[p]
		}
		if at == nil {
			return ""
		}
		return fmt.Sprint(at)
	}
	r.t.Errorf("%s: the runner of the test does not know it", name)
	return ""
}

func (r *hostedRunner) expand(text string) string {
	out := anyExpression.ReplaceAllStringFunc(text, func(e string) string { return r.lookup(anyExpression.FindStringSubmatch(e)[1]) })
	if strings.Contains(out, "${{") {
		r.t.Errorf("%s: the runner of the test does not know the expression", text)
	}
	return out
}

// action runs the whole of action.yml and returns the exit status of its last
// step that ran.
func (r *hostedRunner) action(inputs map[string]string) int {
	r.t.Helper()
	var a compositeAction
	readYAML(r.t, "action.yml", &a)
	if a.Runs.Using != "composite" {
		r.t.Fatalf("action.yml: using %q", a.Runs.Using)
	}
	r.inputs, r.steps = map[string]string{}, map[string]map[string]string{}
	for name, in := range a.Inputs {
		r.inputs[name] = r.expand(in.Default)
	}
	for name, value := range inputs {
		if _, ok := r.inputs[name]; !ok {
			r.t.Fatalf("%s is no input", name)
		}
		r.inputs[name] = value
	}
	for _, s := range a.Runs.Steps {
		if s.If != "" {
			m := condition.FindStringSubmatch(s.If)
			if m == nil {
				r.t.Fatalf("if: %s: the runner of the test does not know the expression", s.If)
			}
			if r.lookup(m[1]) != m[2] {
				continue
			}
		}
		if s.Uses != "" {
			with := map[string]string{}
			for k, v := range s.With {
				with[k] = r.expand(v)
			}
			text, _ := yaml.Marshal(with)
			fmt.Fprintf(&r.log, "[uses %s]\n%s", s.Uses, text)
			if file := with["sarif_file"]; file != "" && !json.Valid([]byte(r.read(strings.TrimPrefix(file, r.temp)))) {
				r.t.Errorf("%s is no JSON", file)
			}
			continue
		}
		if strings.Contains(s.Run, "${{") {
			r.t.Errorf("an expression in a script is code of whoever controls its value: %s", s.Run)
		}
		env := slices.Clone(r.environ)
		for k, v := range s.Env {
			env = append(env, k+"="+r.expand(v))
		}
		code, outputs := r.step(s.Run, env)
		if s.ID != "" {
			r.steps[s.ID] = outputs
		}
		if code != 0 {
			return code
		}
	}
	for name, o := range a.Outputs {
		if r.expand(o.Value) == "" {
			r.t.Errorf("output %s is empty", name)
		}
	}
	return 0
}

// step runs a script as `shell: bash` does.
func (r *hostedRunner) step(script string, env []string) (int, map[string]string) {
	r.t.Helper()
	file, output := filepath.Join(r.temp, "step.sh"), filepath.Join(r.temp, "output")
	r.write(file, script)
	r.write(output, "")
	c := exec.Command("bash", "--noprofile", "--norc", "-e", "-o", "pipefail", file)
	c.Dir, c.Env = r.workspace, append(env, "GITHUB_OUTPUT="+output)
	c.Stdout, c.Stderr = &r.log, &r.log
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	outputs := map[string]string{}
	for line := range strings.Lines(r.read("output")) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok {
			r.t.Errorf("output %q", line)
		}
		outputs[name] = value
	}
	return c.ProcessState.ExitCode(), outputs
}

// golden holds what the runner has seen against a file.
func (r *hostedRunner) golden(name string, status int) {
	r.t.Helper()
	var b strings.Builder
	section := func(title, text string) {
		fmt.Fprintf(&b, "=== %s\n%s", title, text)
		if text != "" && !strings.HasSuffix(text, "\n") {
			b.WriteByte('\n')
		}
	}
	section("log", r.log.String())
	var outputs []string
	for k, v := range r.steps["review"] {
		outputs = append(outputs, k+"="+v)
	}
	slices.Sort(outputs)
	section("outputs", strings.Join(outputs, "\n"))
	section("summary", r.read("summary.md"))
	for _, c := range loadComments(filepath.Join(r.temp, "comments.json")) {
		section(fmt.Sprintf("comment %d of %s", c.ID, c.User.Login), c.Body)
	}
	section("exit status", fmt.Sprint(status))
	got := randomToken.ReplaceAllString(b.String(), "TOKEN")
	got = versionText.ReplaceAllString(got, "midaz VERSION")
	got = strings.NewReplacer(r.temp, "RUNNER_TEMP", absoluteRoot(r.t), "ACTION_PATH").Replace(got)
	path := filepath.Join("testdata", "action", name+".golden")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	want, _ := os.ReadFile(path)
	if got != string(want) {
		r.t.Errorf("%s differs:\n%s", path, got)
	}
	if strings.Contains(got, "hunter2") {
		r.t.Error("the token for ids reached an output")
	}
}

func pullRequest(head string) map[string]any {
	return map[string]any{"pull_request": map[string]any{
		"number": 7,
		"head":   map[string]any{"repo": map[string]any{"full_name": head}},
		"base":   map[string]any{"sha": "0123456789012345678901234567890123456789"},
	}}
}

const (
	reviewedSpec  = "version: \"1\"\nstack: test\nboxes:\n  a: { size: 1, text: hello }\n  b: { size: 2 }\n"
	goodSpec      = "version: \"1\"\nstack: test\nboxes:\n  a: { size: 2, text: \"::error::not a command\" }\n  b: { size: 2 }\n  c: {}\n"
	badSpec       = "version: \"1\"\nstack: test\nboxes:\n  a: { sise: 1, text: \"${NOPE}\" }\n"
	dangerousSpec = "version: \"1\"\nstack: test\nboxes:\n  a: { size: 1, text: \"${ACTIONS_ID_TOKEN_REQUEST_TOKEN:-none}\" }\n"
)

// TestAction runs the action on pull requests with a good, a bad and a
// dangerous change.
func TestAction(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		inputs     map[string]string
		status     int
	}{
		{"good", goodSpec, nil, 0},
		{"bad", badSpec, nil, 1},
		{"dangerous", dangerousSpec, map[string]string{"fail-on": "destroy"}, 1},
		{"nothing", reviewedSpec, map[string]string{"fail-on": "changes"}, 0},
		{"refused", dangerousSpec, map[string]string{"args": "-max-destroy 0\n-exclude 'crate/*'"}, 7},
		{"drift", reviewedSpec, map[string]string{"command": "drift", "fail-on": "changes"}, 1},
		{"never", badSpec, map[string]string{"fail-on": "never", "summary": "false", "comment": "false", "sarif": "false"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newHostedRunner(t, pullRequest("owner/infra"))
			r.write("midaz.infra.yaml", reviewedSpec)
			r.midaz("apply", "-auto-approve")
			r.write("midaz.infra.yaml", c.spec)
			if c.name == "drift" {
				r.write("world.yaml", "box/a:\n  stack: test\n  fields: {size: 9, text: hello}\n  applied: "+
					"'{\"fields\":{\"size\":1,\"text\":\"hello\"}}'\nbox/b:\n  stack: test\n  fields: {size: 2}\n  applied: '{\"fields\":{\"size\":2}}'\n")
			}
			inputs := map[string]string{"midaz": "midaz", "command": "plan"}
			for k, v := range c.inputs {
				inputs[k] = v
			}
			status := r.action(inputs)
			if status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			r.golden(c.name, status)
		})
	}
}

// A plan is made against an observation where no engine is, also for a fork.
func TestActionAgainstAnObservation(t *testing.T) {
	for name, head := range map[string]string{"observed": "owner/infra", "observed-fork": "stranger/infra"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newHostedRunner(t, pullRequest(head))
			r.write("midaz.infra.yaml", reviewedSpec)
			r.midaz("apply", "-auto-approve")
			r.midaz("observe", "-out", "observed.json")
			r.write("midaz.infra.yaml", dangerousSpec)
			r.environ = append(r.environ, "UNREACHABLE=1")
			status := r.action(map[string]string{"midaz": "midaz", "command": "plan", "observed": "observed.json", "fail-on": "destroy"})
			if status != 1 {
				t.Errorf("status %d, want 1", status)
			}
			r.golden(name, status)
		})
	}
}

// A second run brings the comment of the first up to date, whatever it was
// about, and leaves those of others alone.
func TestActionKeepsOneComment(t *testing.T) {
	r := newHostedRunner(t, pullRequest("owner/infra"))
	comments := filepath.Join(r.temp, "comments.json")
	saveComments(comments, []ghComment{
		newComment(1, "ann", "looks good"), newComment(2, "ann", "<!-- midaz:midaz.infra.yaml -->\ncopied"),
		newComment(3, "github-actions[bot]", "<!-- midaz:other.yaml -->\nof another spec"),
	})
	for _, spec := range []string{goodSpec, badSpec, goodSpec} {
		r.write("midaz.infra.yaml", spec)
		r.action(map[string]string{"midaz": "midaz", "command": "plan"})
		all := loadComments(comments)
		if len(all) != 4 || all[3].ID != 4 || all[3].User.Login != "github-actions[bot]" {
			t.Fatalf("%+v", all)
		}
		want := "**Plan: "
		if spec == badSpec {
			want = "**The spec is not valid**"
		}
		if body := all[3].Body; !strings.HasPrefix(body, "<!-- midaz:midaz.infra.yaml -->\n<!-- midaz:") || !strings.Contains(body, want) {
			t.Errorf("%s", body)
		}
		for i, body := range []string{"looks good", "copied", "of another spec"} {
			if !strings.HasSuffix(all[i].Body, body) {
				t.Errorf("comment %d is now %q", i+1, all[i].Body)
			}
		}
	}
	// A token without the right is told, and is no failure of the change.
	r.environ = append(r.environ, "FAKE_GH_FORBIDS=1")
	if status := r.action(map[string]string{"midaz": "midaz", "command": "plan"}); status != 0 ||
		!strings.Contains(r.log.String(), "::warning title=midaz::the comments of the pull request cannot be read") {
		t.Errorf("status %d\n%s", status, r.log.String())
	}
}

// What is pushed is compared with what was there before; a new branch with the
// commit before its last one. A revision that cannot be had is told.
func TestActionOnAPush(t *testing.T) {
	for _, c := range []struct {
		name, input, before, want string
		missing                   bool
	}{
		{"push", "", "HEAD~1", "HEAD~1", false},
		{"new branch", "", strings.Repeat("0", 40), "HEAD^", false},
		{"by hand", "", "", "HEAD^", false},
		{"input", "HEAD~1", "unknown", "HEAD~1", false},
		{"unknown", "", "gone", "gone", true},
		{"flag", "--upload-pack=sh", "", "--upload-pack=sh", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newHostedRunner(t, map[string]any{"before": c.before})
			r.environ = append(r.environ, "GITHUB_EVENT_NAME=push")
			gitCommits(t, r.workspace, reviewedSpec, goodSpec)
			status := r.action(map[string]string{"midaz": comparingProgram(t), "base": c.input})
			log := r.log.String()
			if status != 0 || !strings.Contains(log, " -- "+c.want+" HEAD\n") || strings.Contains(log, "is not in this checkout") != c.missing {
				t.Errorf("status %d\n%s", status, log)
			}
		})
	}
}

// comparing is a program that has diff and no engine, and says how it was called.
const comparing = `#!/bin/sh
case "$1 $2" in
"help diff" | "version ") exit 0 ;;
"info ") exit 1 ;;
esac
echo "called with $*"
[ "$1" != diff ] || echo "flags $MIDAZ_CLI_ARGS_diff"
for a; do
	case $a in
	github=*) echo 'Plan: 1 to add, 0 to change, 0 to destroy.' >"${a#*=}" ;;
	sarif=* | json=*) echo '{}' >"${a#*=}" ;;
	markdown=*) echo text >"${a#*=}" ;;
	esac
done
[ "$1" != diff ] || exit 2
`

func comparingProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "midaz")
	if err := os.WriteFile(path, []byte(comparing), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// A fork never gets near an engine, and without an engine the specs of both
// ends are compared. On a fork nothing is written either.
func TestActionWithoutAnEngine(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	for _, c := range []struct {
		name, head, command string
		validated, compared bool
		comments            int
	}{
		{"fork", "stranger/infra", "plan", false, true, 0},
		{"fork-drift", "stranger/infra", "drift", false, true, 0},
		{"gone", "", "plan", false, true, 0},
		{"no-engine", "owner/infra", "plan", true, true, 1},
		{"diff", "owner/infra", "diff", false, true, 1},
		{"validate", "owner/infra", "validate", true, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			event := pullRequest(c.head)
			if c.head == "" {
				event["pull_request"].(map[string]any)["head"] = map[string]any{"repo": nil}
			}
			r := newHostedRunner(t, event)
			base := gitCommits(t, r.workspace, reviewedSpec, goodSpec)
			event["pull_request"].(map[string]any)["base"] = map[string]any{"sha": base}
			if status := r.action(map[string]string{"midaz": comparingProgram(t), "command": c.command, "args": "-target 'box/*'"}); status != 0 {
				t.Errorf("status %d", status)
			}
			log := r.log.String()
			if got := strings.Contains(log, "called with validate "); got != c.validated {
				t.Errorf("validate was called: %v\n%s", got, log)
			}
			if got := regexp.MustCompile(`called with diff .* -detailed-exitcode -- ` + base +
				" HEAD\nflags -target 'box/\\*'\n").MatchString(log); got != c.compared {
				t.Errorf("diff was called: %v\n%s", got, log)
			}
			if strings.Contains(log, "called with plan") || strings.Contains(log, "called with drift") {
				t.Errorf("an engine was asked\n%s", log)
			}
			if all := loadComments(filepath.Join(r.temp, "comments.json")); len(all) != c.comments {
				t.Errorf("comments: %v", all)
			}
			if c.comments == 0 && !strings.Contains(log, "the token of a fork may not write comments") {
				t.Errorf("it is not told\n%s", log)
			}
			if r.read("summary.md") == "" || r.steps["review"]["changes"] != "true" || r.steps["review"]["add"] != "1" {
				t.Errorf("summary %q, outputs %v", r.read("summary.md"), r.steps["review"])
			}
		})
	}
}

// gitCommits makes a repository in a folder with a commit for each spec, and
// returns the first one.
func gitCommits(t *testing.T, dir string, texts ...string) string {
	t.Helper()
	git := func(args ...string) string {
		c := exec.Command("git", append([]string{"-c", "user.name=ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"},
			args...)...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "--quiet")
	first := ""
	for _, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, cli.DefaultSpec), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		git("add", cli.DefaultSpec)
		git("commit", "--quiet", "-m", "a spec")
		if first == "" {
			first = git("rev-parse", "HEAD")
		}
	}
	return first
}

// The workflows, and how they call the action, are read by a linter.
func TestWorkflows(t *testing.T) {
	var out bytes.Buffer
	linter, err := actionlint.NewLinter(&out, &actionlint.LinterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(absoluteRoot(t), ".github", "workflows", "*.yml"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%v %v", files, err)
	}
	found, err := linter.LintFiles(files, nil)
	if err != nil || len(found) > 0 {
		t.Errorf("%v\n%s", err, out.String())
	}
	for _, f := range append(files, filepath.Join(absoluteRoot(t), "action.yml")) {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "pull_request_target:") {
			t.Errorf("%s gives a fork the rights of this repository", f)
		}
	}
}

// ghComment is a comment of GitHub's API.
type ghComment struct {
	ID   int `json:"id"`
	User struct {
		Login string `json:"login"`
	} `json:"user"`
	Body string `json:"body"`
}

func newComment(id int, login, body string) ghComment {
	c := ghComment{ID: id, Body: body}
	c.User.Login = login
	return c
}

func loadComments(path string) []ghComment {
	var all []ghComment
	if text, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(text, &all); err != nil {
			panic(err)
		}
	}
	return all
}

func saveComments(path string, all []ghComment) {
	text, err := json.MarshalIndent(all, "", " ")
	if err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		panic(err)
	}
}

// fakeGH is the command gh with the token of a workflow: what the action needs
// of `gh api`, on comments in the file FAKE_GH.
func fakeGH() {
	if err := ghAPI(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gh:", err)
		os.Exit(1)
	}
}

func ghAPI(args []string) error {
	const issue = "repos/owner/infra/issues/"
	if os.Getenv("GH_TOKEN") != "the-token" {
		return errors.New("to use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN environment variable")
	}
	method, query, body, path := "GET", ".", "", ""
	for i := 1; i < len(args); i++ {
		switch a := args[i]; a {
		case "--silent", "--paginate":
		case "--method":
			i++
			method = args[i]
		case "--jq":
			i++
			query = args[i]
		case "--field":
			i++
			file, ok := strings.CutPrefix(args[i], "body=@")
			if !ok {
				return fmt.Errorf("field %q", args[i])
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			body = string(text)
		default:
			path = a
		}
	}
	file := os.Getenv("FAKE_GH")
	all := loadComments(file)
	switch {
	case len(args) == 0 || args[0] != "api":
		return fmt.Errorf("unknown command %v", args)
	case path == "user", os.Getenv("FAKE_GH_FORBIDS") != "":
		return errors.New("HTTP 403: Resource not accessible by integration")
	case method == "GET" && path == issue+"7/comments?per_page=100":
		for page := range slices.Chunk(all, 2) {
			if err := printQuery(os.Stdout, query, page); err != nil {
				return err
			}
		}
	case method == "POST" && path == issue+"7/comments":
		all = append(all, newComment(len(all)+1, "github-actions[bot]", body))
	case method == "PATCH" && strings.HasPrefix(path, issue+"comments/"):
		i := slices.IndexFunc(all, func(c ghComment) bool { return fmt.Sprint(c.ID) == strings.TrimPrefix(path, issue+"comments/") })
		if i < 0 {
			return errors.New("HTTP 404: Not Found")
		}
		all[i].Body = body
	default:
		return fmt.Errorf("%s %s: HTTP 404: Not Found", method, path)
	}
	if len(body) > 65536 {
		return errors.New("HTTP 422: body is too long")
	}
	saveComments(file, all)
	return nil
}

// printQuery prints what --jq selects of a page, as gh does: with variables of
// the environment, texts without quotes.
func printQuery(w io.Writer, query string, page []ghComment) error {
	parsed, err := gojq.Parse(query)
	if err != nil {
		return err
	}
	code, err := gojq.Compile(parsed, gojq.WithEnvironLoader(os.Environ))
	if err != nil {
		return err
	}
	text, err := json.Marshal(page)
	if err != nil {
		return err
	}
	var values any
	if err := json.Unmarshal(text, &values); err != nil {
		return err
	}
	for found := code.Run(values); ; {
		v, ok := found.Next()
		if !ok {
			return nil
		}
		if err, failed := v.(error); failed {
			return err
		}
		fmt.Fprintln(w, v)
	}
}
