//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
	"github.com/LerianStudio/midaz-infra/e2e/rig"
)

// stack is the world of one scenario: a folder with a spec, a name that marks
// what midaz makes of it, and the commands that were run.
type stack struct {
	t     *testing.T
	outer *testing.T // t, while t is that of a step
	name  string
	dir   string   // where midaz runs
	env   []string // of midaz, all of it
	args  []string // put behind the verb of every command

	proxy *proxy.Proxy // set by record

	mu     sync.Mutex
	runs   []*result
	stacks map[string]bool // names of stacks that it may have made, its own among them
}

// newStack makes a world with the spec, in which STACK, TINY and PORT1 to PORT9
// stand for the stack's name, the small image and free ports. What begins with
// neither "version:" nor "variables:" gets the two first lines of a spec.
func newStack(t *testing.T, spec string) *stack {
	t.Helper()
	needEngine(t)
	s := &stack{t: t, outer: t, name: stackName(t), dir: t.TempDir()}
	s.stacks = map[string]bool{s.name: true}
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "DOCKER_HOST=" + dockerHost,
		"NO_COLOR=1", "LC_ALL=C.UTF-8",
	}
	for _, name := range []string{"DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			s.env = append(s.env, name+"="+v)
		}
	}
	if spec != "" {
		s.write("midaz.infra.yaml", spec)
	}
	t.Cleanup(func() {
		if t.Failed() {
			s.keepArtifacts()
		}
		if os.Getenv("MIDAZ_E2E_KEEP") != "" {
			t.Logf("kept: stack %s", s.name)
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		for name := range s.stacks {
			for _, label := range []string{"midaz.stack=", "midaz.runs="} { // with its journal
				if err := rig.Sweep(ctx, docker, label+name); err != nil {
					t.Errorf("clean up: %v", err)
				}
			}
		}
	})
	return s
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// stackName is made of the scenario's name, short enough for a DNS label, and
// something random, so that two runs at the same time do not meet.
func stackName(t *testing.T) string {
	name := notInNames.ReplaceAllString(strings.ToLower(strings.TrimPrefix(t.Name(), "Test")), "-")
	name = strings.Trim(name[:min(len(name), 28)], "-")
	var random [3]byte
	_, _ = rand.Read(random[:])
	return "e2e-" + name + "-" + hex.EncodeToString(random[:])
}

var stackLine = regexp.MustCompile(`(?m)^stack: (\S+)$`)

var portMark = regexp.MustCompile(`PORT[1-9]\b`)

// write puts a file into the stack's folder, with the marks of newStack replaced.
// A mark PORTn stands for the same port in all files of the stack.
func (s *stack) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	text = s.fill(name, text)
	for _, m := range stackLine.FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(m[1], s.name+"-") { // another one of the scenario
			s.mu.Lock()
			s.stacks[m[1]] = true
			s.mu.Unlock()
		}
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// fill replaces the marks of newStack.
func (s *stack) fill(name, text string) string {
	text = dedent(text)
	if strings.HasSuffix(name, ".yaml") && !strings.Contains(text, "version:") {
		text = "version: \"1\"\nstack: STACK\n" + text
	}
	text = strings.NewReplacer("STACK", s.name, "TINY", tiny).Replace(text)
	return portMark.ReplaceAllStringFunc(text, func(mark string) string { return fmt.Sprint(s.port(mark)) })
}

var ports sync.Map // of stack name and mark

// port returns the port that a mark stands for.
func (s *stack) port(mark string) int {
	s.t.Helper()
	if p, ok := ports.Load(s.name + mark); ok {
		return p.(int)
	}
	p, err := rig.FreePort()
	if err != nil {
		s.t.Fatal(err)
	}
	ports.Store(s.name+mark, p)
	return p
}

// dedent takes away the tabs that every line of a literal in Go code begins with.
func dedent(text string) string {
	text = strings.TrimPrefix(text, "\n")
	indent := text[:len(text)-len(strings.TrimLeft(text, "\t"))]
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, indent)
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\t")
}

// setenv sets a variable of midaz's environment.
func (s *stack) setenv(name, value string) {
	s.env = slices.DeleteFunc(s.env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
	s.env = append(s.env, name+"="+value)
}

// record puts a proxy between midaz and the engine from now on.
func (s *stack) record() *proxy.Proxy {
	s.t.Helper()
	if s.proxy != nil {
		return s.proxy
	}
	p, err := proxy.New(dockerHost)
	if err != nil {
		s.t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "midaz-e2e-") // the path of a socket must be short
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	if _, err := p.Listen("unix", path); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = p.Close()
		_ = os.RemoveAll(dir)
	})
	s.setenv("DOCKER_HOST", "unix://"+path)
	s.proxy = p
	return p
}

// result is one command that has ended.
type result struct {
	t      *testing.T
	args   []string
	stdout string
	stderr string
	code   int // -1 when a signal ended it
	took   time.Duration
}

func (r *result) String() string {
	return fmt.Sprintf("$ midaz %s\nexit %d after %v\n--- stdout\n%s--- stderr\n%s", strings.Join(r.args, " "), r.code,
		r.took.Round(time.Millisecond), r.stdout, r.stderr)
}

// process is a command under way.
type process struct {
	*exec.Cmd
	s              *stack
	args           []string
	stdout, stderr output
	began          time.Time
	guard          *time.Timer
}

// output is what a process has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// output returns what the process has written so far, of both kinds.
func (p *process) output() string { return p.stdout.String() + p.stderr.String() }

// longest is how long any command may take before it is killed and the scenario fails.
const longest = 8 * time.Minute

// start starts midaz with a verb and arguments, without a terminal. The stack's
// own arguments come behind the verb.
func (s *stack) start(args ...string) *process {
	s.t.Helper()
	p := s.command(args...)
	p.run()
	return p
}

// command is what start starts.
func (s *stack) command(args ...string) *process {
	all := append([]string{args[0]}, append(slices.Clone(s.args), args[1:]...)...)
	p := &process{Cmd: exec.Command(binary, all...), s: s, args: all}
	p.Dir, p.Env = s.dir, s.env
	return p
}

func (p *process) run() {
	p.s.t.Helper()
	p.began = time.Now()
	p.Cmd.Stdout, p.Cmd.Stderr = &p.stdout, &p.stderr
	if err := p.Start(); err != nil {
		p.s.t.Fatal(err)
	}
	p.guard = time.AfterFunc(longest, func() { _ = p.Process.Kill() })
}

// end waits for the process and returns what it left.
func (p *process) end() *result {
	p.s.t.Helper()
	err := p.Wait()
	took := time.Since(p.began)
	if !p.guard.Stop() {
		p.s.t.Errorf("midaz %s: killed after %v", strings.Join(p.args, " "), longest)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.s.t.Fatal(err)
	}
	r := &result{
		t: p.s.t, args: p.args, stdout: p.stdout.String(), stderr: p.stderr.String(),
		code: p.ProcessState.ExitCode(), took: took,
	}
	p.s.mu.Lock()
	p.s.runs = append(p.s.runs, r)
	p.s.mu.Unlock()
	for _, text := range []string{r.stdout, r.stderr} {
		if strings.Contains(text, "goroutine ") && strings.Contains(text, "panic") {
			p.s.t.Errorf("midaz panicked:\n%s", r)
		}
	}
	return r
}

// midaz runs a command to its end, whatever that is.
func (s *stack) midaz(args ...string) *result {
	s.t.Helper()
	return s.start(args...).end()
}

// exits runs a command that must exit with the code.
func (s *stack) exits(code int, args ...string) *result {
	s.t.Helper()
	r := s.midaz(args...)
	if r.code != code {
		s.t.Fatalf("exit %d, want %d\n%s", r.code, code, r)
	}
	return r
}

// apply runs apply, which must succeed.
func (s *stack) apply(args ...string) *result {
	s.t.Helper()
	return s.exits(0, append([]string{"apply", "-auto-approve"}, args...)...)
}

// converged fails unless a plan has nothing to do.
func (s *stack) converged() {
	s.t.Helper()
	r := s.midaz("plan", "-detailed-exitcode")
	if r.code != 0 || !strings.Contains(r.stdout, "No changes. Your infrastructure matches the configuration.") {
		s.t.Fatalf("the plan is not empty\n%s", r)
	}
}

// changes runs plan -json, which must find something, and returns the actions by address.
func (s *stack) changes(args ...string) map[string][]string {
	s.t.Helper()
	r := s.midaz(append([]string{"plan", "-json"}, args...)...)
	if r.code != 0 {
		s.t.Fatalf("plan\n%s", r)
	}
	return r.actions()
}

// plan is the part of a JSON plan that scenarios look at.
type plan struct {
	Changes []change `json:"resource_changes"`
}

type change struct {
	Address string `json:"address"`
	Change  struct {
		Actions      []string       `json:"actions"`
		Before       map[string]any `json:"before"`
		After        map[string]any `json:"after"`
		ReplacePaths []any          `json:"replace_paths"`
	} `json:"change"`
}

// actions reads a JSON plan: what happens to each address that is not left as it is.
func (r *result) actions() map[string][]string {
	r.t.Helper()
	var p plan
	r.json(&p)
	out := map[string][]string{}
	for _, c := range p.Changes {
		if !slices.Equal(c.Change.Actions, []string{"no-op"}) {
			out[c.Address] = c.Change.Actions
		}
	}
	return out
}

// json decodes the command's standard output.
func (r *result) json(into any) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.stdout), into); err != nil {
		r.t.Fatalf("not JSON: %v\n%s", err, r)
	}
}

// says fails unless the command's output, of both kinds, matches each regular
// expression. Lines may be wrapped: any white space matches a space.
func (r *result) says(patterns ...string) *result {
	r.t.Helper()
	text := strings.Join(strings.Fields(r.stdout+" "+r.stderr), " ")
	for _, p := range patterns {
		if !regexp.MustCompile("(?i)" + p).MatchString(text) {
			r.t.Errorf("does not say %q\n%s", p, r)
		}
	}
	return r
}

// saysNot is the opposite of says.
func (r *result) saysNot(patterns ...string) *result {
	r.t.Helper()
	for _, p := range patterns {
		if regexp.MustCompile("(?i)" + p).MatchString(r.stdout + " " + r.stderr) {
			r.t.Errorf("says %q\n%s", p, r)
		}
	}
	return r
}
