package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	midazcli "github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
	"github.com/LerianStudio/midaz-infra/specs"
	"github.com/LerianStudio/midaz-infra/specs/draft"
)

// The merged spec declares one resource for each position of the language, so
// that every command meets every position in one run. Two variables take turns:
// LINE stands inside texts, KEY, of several lines, alone.
var mergedForms = []func(string) string{
	func(text string) string { return text + "-${LINE}/x" },
	func(string) string { return "${KEY}" },
	func(string) string { return "${LINE}" },
}

const (
	mergedHead = `version: "1"
stack: canary
variables: { LINE: { sensitive: true }, KEY: { sensitive: true } }
policy: { told: { warn: "change.type == 'volume'", message: "a rule of ${LINE}" } }
`
	// The ends of words that everything is searched for: no line of a secret is
	// without one.
	ours   = "c4nary"
	theirs = "str4nger"
)

// mergedResource is one line of the merged spec.
type mergedResource struct {
	where string
	path  []string // to it, by keys; "-" is a list
	line  string   // its fields, as JSON
}

// mergedPositions returns a resource for each position that a single resource
// can have. With sample, only one in each row takes part in each form.
func mergedPositions(t *testing.T, sample bool) []mergedResource {
	t.Helper()
	var out []mergedResource
	for n, form := range mergedForms {
		last := ""
		for _, p := range positions(t, form) {
			row, _, _ := strings.Cut(p.where, " ")
			if p.table.Section == brokerSection || sample && (row == last || n == 2) {
				continue
			}
			last = row
			name := fmt.Sprintf("p%04d", len(out))
			path := strings.Split(p.table.Section, "/")
			for i := len(path) - 1; i >= 0; i-- {
				if path[i] == "*" {
					path[i] = name
					break
				}
			}
			for i, key := range path {
				if key == "*" {
					path[i] = map[string]string{"vhosts": "/", "parameters": "federation-upstream", "topic_permissions": "transaction"}[path[i-1]]
				}
			}
			doc, err := specs.ParseValue(p.spec)
			if err != nil {
				t.Fatal(err)
			}
			fields := resourceIn(doc, strings.Split(p.table.Section, "/"))
			if m, ok := fields.(map[string]any); ok && p.table.Kind == "network" && !strings.HasPrefix(p.where, "network.name") {
				delete(m, "name") // only one can have that of the example
			}
			line, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, mergedResource{p.where, path, string(line)})
		}
	}
	return out
}

// brokerSection is that of the kind of which a spec has only one. A secret at each
// of its positions is in a file of its own, which is merged over the others.
const brokerSection = "rabbitmq"

// brokerFiles returns a file for each position of the broker, with sample one for
// each row and form.
func brokerFiles(t *testing.T, sample bool) []string {
	t.Helper()
	var out []string
	for _, form := range mergedForms {
		last := ""
		for _, p := range positions(t, form) {
			row, _, _ := strings.Cut(p.where, " ")
			if p.table.Section != brokerSection || sample && row == last {
				continue
			}
			last = row
			doc, err := specs.ParseValue(p.spec)
			if err != nil {
				t.Fatal(err)
			}
			_, key, _ := strings.Cut(row, ".")
			value := doc.(map[string]any)[brokerSection].(map[string]any)[key]
			text, err := json.Marshal(map[string]any{brokerSection: map[string]any{key: value}})
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(text))
		}
	}
	return out
}

// resourceIn returns the only resource of a section.
func resourceIn(v any, section []string) any {
	for _, key := range section {
		switch at := v.(type) {
		case []any:
			v = at[0]
		case map[string]any:
			if key == "*" {
				key = slices.Sorted(maps.Keys(at))[0]
			}
			v = at[key]
		}
	}
	return v
}

// mergedSpec writes the resources, each on a line of its own, and returns which
// of them is on which line.
func mergedSpec(all []mergedResource) (string, map[int]int) {
	type tree struct {
		under map[string]*tree
		list  []string
		of    []int
	}
	root := &tree{under: map[string]*tree{}}
	put := func(of int, line string, path ...string) {
		at := root
		for _, key := range path {
			if key == "-" {
				break
			}
			if at.under[key] == nil {
				at.under[key] = &tree{under: map[string]*tree{}}
			}
			at = at.under[key]
		}
		at.list, at.of = append(at.list, line), append(at.of, of)
	}
	put(-1, `{"username": "admin", "password": "${LINE}"}`, "rabbitmq", "management")
	put(-1, `"http://broker.test:15672"`, "rabbitmq", "url")
	put(-1, `{"password": "${LINE}", "tags": []}`, "rabbitmq", "users", "transaction")
	put(-1, `{"type": "topic"}`, "rabbitmq", "vhosts", "/", "exchanges", "orders")
	put(-1, `{"type": "quorum"}`, "rabbitmq", "vhosts", "/", "queues", "orders.paid")
	put(-1, `{"image": "x:1", "command": ["run", "--password=${LINE}"], "gate": {"exec": ["check", "${LINE}"]}}`, "services", "gate-fails")
	put(-1, `{"image": "x:1", "environment": {"A": "${LINE}", "B": "${KEY}"}}`, "services", "cannot-start")
	put(-1, `{"labels": {"a": "${LINE}"}}`, "networks", "cannot-be-read")
	put(-1, `{"labels": {"a": "${LINE}"}}`, "volumes", "remarked")
	put(-1, `{}`, "volumes", "postgres-data")
	for i, r := range all {
		put(i, r.line, r.path...)
		name := r.path[len(r.path)-1]
		if slices.Contains(r.path, "permissions") {
			put(-1, `{"password": "${LINE}", "tags": []}`, "rabbitmq", "users", name)
		}
		if slices.Contains(r.path, "topic_permissions") {
			put(-1, `{"type": "topic"}`, "rabbitmq", "vhosts", "/", "exchanges", name)
		}
		if strings.HasPrefix(r.where, "user-limit.") {
			put(-1, `"${LINE}"`, append(slices.Clone(r.path[:len(r.path)-1]), "password")...)
			put(-1, `[]`, append(slices.Clone(r.path[:len(r.path)-1]), "tags")...)
		}
	}
	var b strings.Builder
	b.WriteString(mergedHead)
	at, lines := strings.Count(mergedHead, "\n"), map[int]int{}
	var write func(t *tree, indent string)
	write = func(t *tree, indent string) {
		for _, key := range slices.Sorted(maps.Keys(t.under)) {
			sub := t.under[key]
			at++
			if len(sub.list) == 1 && len(sub.under) == 0 && key != "bindings" {
				fmt.Fprintf(&b, "%s%q: %s\n", indent, key, sub.list[0])
				lines[at] = sub.of[0]
				continue
			}
			fmt.Fprintf(&b, "%s%q:\n", indent, key)
			for i, line := range sub.list {
				at++
				fmt.Fprintf(&b, "%s  - %s\n", indent, line)
				lines[at] = sub.of[i]
			}
			write(sub, indent+"  ")
		}
	}
	write(root, "")
	return b.String(), lines
}

// validMerged leaves out what is no error-free part of the whole, and returns
// the spec with what was left out.
func validMerged(t *testing.T, all []mergedResource) (spec string, left []mergedResource) {
	t.Helper()
	kinds := app.RealWorld().Kinds()
	for range 20 {
		text, lines := mergedSpec(all)
		loaded, problems := specs.Load(specs.Options{Files: []string{"-"}, Stdin: strings.NewReader(text),
			Vars: []string{"LINE=" + lineCanary, "KEY=" + keyCanary}, Profiles: []string{"*"}})
		_, more := engine.Resolve(loaded, kinds)
		bad := map[int]bool{}
		for _, p := range slices.Concat(problems, more) {
			if p.Severity() != specs.Error {
				continue
			}
			i, ok := lines[p.Pos.Line]
			if !ok || i < 0 {
				t.Fatalf("the frame of the merged spec is wrong: %v\n%s", p, strings.Split(text, "\n")[p.Pos.Line-1])
			}
			bad[i] = true
		}
		if len(bad) == 0 {
			return text, left
		}
		var good []mergedResource
		for i, r := range all {
			if bad[i] {
				left = append(left, r)
			} else {
				good = append(good, r)
			}
		}
		all = good
	}
	t.Fatal("the merged spec does not become valid")
	return "", nil
}

// canaryCalls are the arguments with which each command is run at each stage.
// Formats are added to them. A command that writes is in canaryWrites instead.
// A command without an entry fails the test.
var canaryCalls = map[string][][]string{
	"validate":           {{}, {"-f", "invalid.yaml"}},
	"plan":               {{}, {"-out", "next.plan"}, {"-replace", "service/*"}, {"-observed", "observed.json"}},
	"diff":               {{"old.yaml", midazcli.DefaultSpec}, {midazcli.DefaultSpec, "old.yaml"}, {"HEAD"}},
	"observe":            {{"-out", "observed.json"}, {}},
	"drift":              {{}, {"-suggest-ignore"}},
	"history":            {{}, {"0001"}},
	"show":               {{"next.plan"}},
	"ps":                 {{}},
	"logs":               {{}, {"-t"}},
	"info":               {{}},
	"graph":              {{}, {"-plan"}},
	"topology":           {{}},
	"route":              {{"orders", "key"}, {"nowhere"}},
	"env":                {{"-dry-run"}, {"-out", "exempt.env"}},
	"import compose":     {{"compose.yaml"}, {"compose.yaml", "-out", "composed.yaml", "-force", "-env-out", "exempt.env"}},
	"import live":        {{}, {"-out", "live.yaml", "-force", "-env-out", "exempt.env"}},
	"import definitions": {{"definitions.json", "-out", "defined.yaml", "-force"}},
	"export definitions": {{}, {"-out", "exempt.json", "-force"}},
	"policy test":        {{}},
	"completion":         {{"bash"}},
	"__complete":         {{"--", "plan", "-target", ""}, {"--", "logs", ""}},
	"explain":            {{}, {"MZ028"}},
	"schema":             {{}},
	"version":            {{}},
	"man":                {{"."}},
}

// canaryLooks are those whose output depends on what is there. The others need to be
// run only once.
var canaryLooks = []string{"plan", "observe", "drift", "history", "show", "ps", "logs", "info", "__complete"}

// canaryWrites are the commands that write, each at its own stage.
var canaryWrites = []string{"apply", "up", "down", "destroy", "rollback", "unlock"}

// TestCanaryInCommands puts secrets at every position of the language, runs every
// command in every format before and after applies that fail and succeed, after
// changes from outside, and while things cannot be read; and looks for the
// secrets in everything that was written: both streams, files, plan files,
// recordings, the journal, what is remembered on the objects, and traces. It
// takes one position of each row; MIDAZ_CANARY=all takes all of them.
func TestCanaryInCommands(t *testing.T) {
	full := os.Getenv("MIDAZ_CANARY") == "all"
	c := newCanaryRun(t, full)
	for _, d := range midazcli.Commands() {
		if canaryCalls[d.Name] == nil && !slices.Contains(canaryWrites, d.Name) {
			t.Errorf("midaz %s is run nowhere here: give it an entry in canaryCalls", d.Name)
		}
	}
	c.stage("before the first apply")
	c.call("apply", "-auto-approve", "-report", "run.html", "-var", "LINE="+lineCanary)
	c.stage("after a failed apply")
	c.fails = false
	c.call("apply", "-auto-approve", "-json", "-report", "run.html", "-allow", "data-loss")
	c.stage("after an apply")
	c.brokers()
	c.disturb()
	c.stage("changed outside")
	c.unread = true
	c.stage("unreadable")
	c.unread = false
	c.write(midazcli.DefaultSpec, "version: \"1\"\nstack: canary\nvariables: { LINE: { sensitive: true }, KEY: { sensitive: true } "+
		"}\nvolumes: { remarked: {} }\n")
	c.stage("no longer declared")
	c.call("rollback", "0002", "-auto-approve", "-allow", "data-loss")
	c.call("unlock", lineCanary)
	c.call("up", "-allow", "data-loss", "-allow", "orphans", "-unprotect", "*")
	c.call("down", "-json")
	c.call("destroy", "-auto-approve", "-volumes", "-confirm", "canary", "-json", "-allow", "data-loss")
	c.call("plan", "-f", "broken.yaml")
	c.engineFails = true
	c.stage("no engine")
	c.searchAll("at the end")
	if len(c.collector.raw) == 0 {
		t.Error("no trace was sent")
	}
}

// canaryRun is a folder and a world in which commands run one after the other.
type canaryRun struct {
	t           *testing.T
	w           *fake.World
	collector   *collector
	formats     map[string][]string
	full        bool
	fails       bool // gates and one creation
	unread      bool
	engineFails bool
	plain       bool // the world adds no secrets of its own to what it says
	at          string
}

func newCanaryRun(t *testing.T, full bool) *canaryRun {
	t.Helper()
	t.Chdir(t.TempDir())
	all := mergedPositions(t, !full)
	spec, left := validMerged(t, all)
	least := map[bool]int{false: 90, true: 300}[full]
	if n := len(all) - len(left); n < least {
		t.Errorf("the merged spec has only %d positions", n)
	}
	c := &canaryRun{t: t, w: &fake.World{LockTime: fakeSystem().Now()}, collector: newCollector(t), full: full, fails: true,
		formats: map[string][]string{}}
	for _, d := range midazcli.Commands() {
		c.formats[d.Name] = formatsSpoken(d)
	}
	c.write(midazcli.DefaultSpec, spec)
	c.write("old.yaml", mergedHead+"services: { gate-fails: { image: \"x:${LINE}\", command: [\"${KEY}\"] } }\n")
	invalid, _ := mergedSpec(left)
	c.write("invalid.yaml", invalid)
	c.write("broken.yaml", "version: \"1\"\nstack: canary\nservices: { a: { image: \"x:1\", pid: \"${LINE}\", command: [")
	c.write("compose.yaml", "name: c\nservices: { a: { image: x, environment: { PASSWORD: \""+lineCanary+"\", URL: \"http://u:"+lineCanary+
		"@x\" } } }\n")
	c.write("definitions.json", `{"rabbit_version": "4.0.0", "users": [{"name": "u", "password_hash": "`+lineCanary+`", "tags": []}], "vhosts": [{"name": "/"}],
		"parameters": [{"vhost": "/", "component": "federation-upstream", "name": "x", "value": {"uri": "amqp://u:`+lineCanary+`@x"}}]}`)
	for name, value := range map[string]string{"MIDAZ_VAR_LINE": lineCanary, "MIDAZ_VAR_KEY": keyCanary, "MIDAZ_PROFILES": "*",
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.collector.URL, "NO_COLOR": "1"} {
		t.Setenv(name, value)
	}
	return c
}

var formatWord = regexp.MustCompile(`[a-z]+`)

// formatsSpoken returns the formats that a command says it speaks.
func formatsSpoken(d *cli.Command) []string {
	for _, f := range d.Flags {
		if f.Names()[0] != "format" {
			continue
		}
		usage := f.(*cli.StringFlag).Usage
		if _, list, ok := strings.Cut(usage, ":"); ok {
			usage = list
		}
		words := formatWord.FindAllString(usage, -1)
		return slices.DeleteFunc(words, func(w string) bool { return w == "or" || w == "and" || w == "one" || w == "of" })
	}
	return nil
}

func (c *canaryRun) write(name, text string) {
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// stage runs every command that only reads, in every format.
func (c *canaryRun) stage(at string) {
	c.at = at
	everything := c.full || at == "before the first apply"
	for _, d := range midazcli.Commands() {
		flags := midazcli.FlagsOf(d)
		if !everything && !slices.Contains(canaryLooks, d.Name) {
			continue
		}
		calls := canaryCalls[d.Name]
		switch {
		case everything || at == "changed outside":
		case d.Name == "observe" && at != "no longer declared":
			continue
		default:
			calls = calls[:1]
		}
		for _, args := range calls {
			switch {
			case c.formats[d.Name] == nil:
				c.call(d.Name, args...)
				if flags["json"] != nil {
					c.call(d.Name, append(slices.Clone(args), "-json")...)
				}
			case flags["into"] != nil && !c.full:
				for _, f := range c.formats[d.Name] {
					args = append(slices.Clone(args), "-into", f+"=into."+f)
				}
				c.call(d.Name, args...)
			default:
				for _, f := range c.formats[d.Name] {
					c.call(d.Name, append(slices.Clone(args), "-format", f)...)
				}
			}
		}
	}
	c.searchAll(at)
}

// brokers runs commands with the files of the broker merged over the spec.
func (c *canaryRun) brokers() {
	c.at = "with a secret about the broker"
	valid := 0
	for i, text := range brokerFiles(c.t, !c.full) {
		name := fmt.Sprintf("broker-%02d.yaml", i)
		c.write(name, text)
		files := []string{"-f", midazcli.DefaultSpec, "-f", name}
		if c.call("validate", files...) != 0 {
			continue
		}
		valid++
		for _, command := range []string{"plan", "drift", "info"} {
			c.call(command, append(slices.Clone(files), "-json")...)
		}
	}
	if valid < 2 {
		c.t.Errorf("only %d files about the broker are valid", valid)
	}
	c.searchAll(c.at)
}

// call runs a command and searches what it prints.
func (c *canaryRun) call(name string, args ...string) int {
	var out, errs bytes.Buffer
	sys := fakeSystem()
	sys.Stdin, sys.Stdout, sys.Stderr = strings.NewReader(""), &out, &errs
	sys.World = app.RealWorld()
	sys.World.Read = func(_ context.Context, a app.Access) (*app.Session, error) { return c.open(a, false) }
	sys.World.Write = func(_ context.Context, a app.Access) (*app.Session, error) { return c.open(a, true) }
	status := midazcli.Run(c.t.Context(), append(strings.Fields(name), args...), sys)
	if status == 64 {
		c.t.Errorf("%s %v: %s", name, args, errs.String())
	}
	if strings.Contains(errs.String(), "this is a bug") {
		c.t.Errorf("%s %v: %s", name, args, errs.String())
	}
	c.search(fmt.Sprintf("standard output of midaz %s %v", name, args), out.String())
	c.search(fmt.Sprintf("standard error of midaz %s %v", name, args), errs.String())
	return status
}

// searchAll searches what lies in files, on the objects, and at the collector.
func (c *canaryRun) searchAll(at string) {
	c.at = at
	inputs := []string{"compose.yaml", "definitions.json"}
	_ = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || slices.Contains(inputs, path) || strings.HasPrefix(path, "exempt.") || path == ".env" {
			return err
		}
		text, err := os.ReadFile(path)
		c.search("file "+path, string(text))
		return err
	})
	journal := fakeJournal{}.read()
	for _, text := range journal.Runs {
		if r, err := resources.DecodeRun(text); err == nil {
			c.search("journal", render.JSONText(r))
		}
	}
	for _, text := range journal.Past {
		if p, err := resources.DecodePast(text); err == nil {
			for _, f := range p.Files {
				c.search("journal, file "+f.Name, string(f.Text))
			}
			p.Files = nil
			c.search("journal", render.JSONText(p))
		}
	}
	for _, a := range c.w.Addrs() {
		if o := c.w.Get(a); o.Applied != nil {
			c.search("labels of "+a.String(), o.Applied.String())
		}
	}
	c.collector.mu.Lock()
	defer c.collector.mu.Unlock()
	c.search("trace", string(c.collector.raw))
}

// search reports a secret in a text, also in an encoding that hides it.
func (c *canaryRun) search(what, text string) {
	for _, form := range canaryTraces {
		if strings.Contains(text, form) {
			c.t.Errorf("%s: a secret is in the %s:\n%s", c.at, what, around(text, form))
			return
		}
	}
}

// canaryTraces are what is found of the secrets in any encoding.
var canaryTraces = func() []string {
	var out []string
	for _, word := range []string{ours, theirs} {
		out = append(out, word, hex.EncodeToString([]byte(word)))
		for before := range 3 {
			all := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), word...))
			out = append(out, all[(before*8+5)/6:(before+len(word))*8/6])
		}
	}
	return out
}()

// disturb puts another text in the place of every secret on the objects.
func (c *canaryRun) disturb() {
	for _, a := range c.w.Addrs() {
		o := c.w.Get(a)
		for k, v := range o.Fields {
			o.Fields[k] = revealed(v, func(text string) string { return strings.ReplaceAll(text, ours, theirs) })
		}
	}
}

func (c *canaryRun) open(a app.Access, writing bool) (*app.Session, error) {
	if c.engineFails && a.Declared.Spec == nil {
		return nil, resources.ErrUnreachable // no spec was read, so that nothing is known to be secret
	}
	if c.engineFails {
		return nil, &resources.Diagnosis{Err: fmt.Errorf("engine at tcp://u:%s@host: %s: %w", lineCanary, keyCanary, resources.ErrUnreachable),
			Hint: "look at " + lineCanary}
	}
	kinds := app.RealWorld().Kinds()
	s := &app.Session{Readers: c.w.ReadersOf(kinds), Inspect: canaryInspector{}, Journal: fakeJournal{c.w}, Close: func() {}}
	for kind, r := range s.Readers {
		if !c.plain {
			s.Readers[kind] = canaryReader{docsReader{r, kind, writing}, c}
		}
	}
	if c.plain {
		s.Inspect = fakeInspector{}
	}
	if writing {
		s.Writers = c.w.WritersOf(kinds)
		for kind, w := range s.Writers {
			if !c.plain {
				s.Writers[kind] = canaryWriter{w.(fullWriter), c}
			}
		}
		delete(s.Writers, "broker")
		s.Record, s.Locks = fakeJournal{c.w}, c.w
		s.Warnings = func() specs.Problems {
			if c.plain {
				return nil
			}
			return specs.Problems{resources.RuleValue.At(specs.Pos{File: midazcli.DefaultSpec, Line: 3, Col: 1}, "the engine says "+lineCanary,
				"look at "+keyCanary)}
		}
	}
	return s, nil
}

// canaryReader adds to what is seen texts of an engine that hold a secret.
type canaryReader struct {
	resources.Reader
	c *canaryRun
}

func (r canaryReader) Observe(ctx context.Context, scope resources.Scope) ([]*resources.Observed, error) {
	all, err := r.Reader.Observe(ctx, scope)
	for i, o := range all {
		if o.Addr.Kind == "broker" { // no one creates it
			o.Presence, o.Stack, o.Have = resources.Present, scope.Stack, scope.Want[i].Config
		}
		if o.Addr.Name == "cannot-be-read" && r.c.unread {
			all[i] = resources.NotRead(o.Addr, fmt.Errorf("read %q: %s", lineCanary, keyCanary))
		}
		if o.Presence != resources.Present || o.Addr.Name != "remarked" && o.Addr.Kind != "service" {
			continue
		}
		o.Notes = append(o.Notes, "it says "+lineCanary)
		o.State = "exited: " + lineCanary
		if r.c.unread { // a plan that has one is refused, so that nothing could be applied
			o.Unfit = []resources.Unfit{{Msg: "it refuses " + lineCanary, Hint: "use something else than " + keyCanary}}
		}
		if o.Addr.Kind == "service" {
			o.State = cmp.Or(map[bool]string{true: "unhealthy: " + lineCanary}[r.c.unread], "running")
			o.Runtime = &resources.Runtime{Trouble: map[bool]string{true: resources.Unhealthy}[r.c.unread]}
		}
	}
	return all, err
}

// fullWriter is all that the world's writers can do.
type fullWriter interface {
	resources.Writer
	resources.Waiter
	resources.Swapper
	resources.Replacer
}

// canaryWriter has one service that cannot start and one whose gate fails, with
// texts that hold secrets.
type canaryWriter struct {
	fullWriter
	c *canaryRun
}

func (w canaryWriter) Create(ctx context.Context, r *resources.Resource, note resources.Note) error {
	note("pulling with %s", lineCanary)
	if w.c.fails && r.Addr.Name == "cannot-start" {
		return fmt.Errorf("cannot start: exec %q: %s", keyCanary, base64.StdEncoding.EncodeToString([]byte("user:"+lineCanary)))
	}
	return w.fullWriter.Create(ctx, r, note)
}

func (w canaryWriter) Await(ctx context.Context, r *resources.Resource, note resources.Note) error {
	note("GET http://x/?key=%s", lineCanary)
	if w.c.fails && r.Addr.Name == "gate-fails" {
		return &resources.GateError{Addr: r.Addr, Cause: "the check failed: " + lineCanary, Probe: "check " + lineCanary + "\n" + keyCanary,
			State: "running", Logs: append(strings.Split(keyCanary, "\n"), "password is "+lineCanary, strings.ToLower(lineCanary)),
			Next: resources.NextStep{Logs: lineCanary}}
	}
	return w.fullWriter.Await(ctx, r, note)
}

// canaryInspector has a container that repeats secrets.
type canaryInspector struct{ fakeInspector }

func (canaryInspector) Containers(context.Context, string) ([]report.ContainerView, error) {
	return []report.ContainerView{{Addr: resources.NewAddr("service", "gate-fails"), ID: "1", Name: "canary-gate-fails",
			Image: "x:" + lineCanary,
			State: "exited: " + lineCanary, Health: "unhealthy: " + lineCanary, Ports: []string{"80/" + lineCanary}, Leftover: "of " + lineCanary}},
		nil
}

func (canaryInspector) Logs(_ context.Context, _ report.ContainerView, _ app.LogOptions, line func(app.LogLine)) error {
	for text := range strings.SplitSeq("starting with "+lineCanary+"\n"+keyCanary, "\n") {
		line(app.LogLine{Text: text})
	}
	return nil
}

func (canaryInspector) About(context.Context) ([]report.AboutPart, error) {
	return []report.AboutPart{{Title: "Engine", Rows: [][2]string{{"address", "tcp://u:" + lineCanary + "@host"}, {"warning", keyCanary}}}},
		nil
}

func (canaryInspector) Unmanaged(context.Context, string) ([]*resources.Observed, error) {
	return []*resources.Observed{{Addr: resources.NewAddr("queue", "/", "other"), Owner: "x " + lineCanary, Notes: []string{lineCanary}}}, nil
}

func (canaryInspector) Live(_ context.Context, o app.LiveOptions) (*draft.Draft, error) {
	return &draft.Draft{Stack: o.Stack}, nil // of no spec, so that nothing is known to be secret
}
