package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
)

// hostile acts on a terminal in every way that a text can: it sets the title,
// clears the screen, goes back over what was written, and turns the direction.
const hostile = "A\x1b]0;owned\x07B\x1b[2JC\rD\bE\u009b31mF\u202eG\x7fH"

// hostileInspector is an engine that runs one container which is nothing but that.
type hostileInspector struct{ fakeInspector }

func (hostileInspector) Containers(context.Context, string) ([]report.ContainerView, error) {
	return []report.ContainerView{{Addr: resources.NewAddr("box", "a"), ID: hostile, Name: hostile, Image: hostile, State: hostile,
		Health: hostile,
		Ports:  []string{hostile}, Leftover: hostile}}, nil
}

func (hostileInspector) Logs(_ context.Context, _ report.ContainerView, _ app.LogOptions, line func(app.LogLine)) error {
	line(app.LogLine{Text: hostile})
	line(app.LogLine{Text: hostile, Stderr: true})
	return nil
}

func (hostileInspector) About(context.Context) ([]report.AboutPart, error) {
	return []report.AboutPart{{Title: hostile, Rows: [][2]string{{"version", hostile}}}}, nil
}

func (hostileInspector) Unmanaged(context.Context, string) ([]*resources.Observed, error) {
	return []*resources.Observed{{Addr: resources.NewAddr("box", hostile), ID: hostile, Owner: hostile}}, nil
}

// TestControlCharactersNeverReachTheTerminal has engine and broker answer with
// them in all that they name, in values, errors, logs and the journal.
func TestControlCharactersNeverReachTheTerminal(t *testing.T) {
	t.Chdir(t.TempDir())
	quoted := `"A\e]0;owned\aB\e[2JC\rD\bE\u009b31mF\u202eG\x7fH"`
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(cli.DefaultSpec, "version: \"1\"\nstack: test\nboxes:\n  a: { text: now }\n  b: { needs: [box/a] }\n  theirs: { text: x "+
		"}\ncrates: { c: { colour: red, ready: false } }\n")
	world := "box/a:\n    stack: test\n    fields: {text: " + quoted + ", colour: " + quoted +
		"}\n    applied: '{\"fields\":{\"text\":\"before\"}}'\n" +
		"box/gone:\n    stack: test\n    fields: {text: " + quoted + "}\n    applied: '{\"fields\":{}}'\n" +
		"box/theirs:\n    stack: " + quoted + "\n    owner: " + quoted + "\n    fields: {text: x}\n"
	write("world.yaml", world)
	run1 := &resources.Run{ID: "0001", Stack: "test", Command: hostile, Who: hostile, Version: hostile, Result: hostile, Error: hostile,
		Steps: []resources.RunStep{{Address: hostile, Verb: hostile, State: "failed", Error: hostile, Because: hostile}}}
	if err := (fakeJournal{&fake.World{}}).BeginRun(t.Context(), run1); err != nil {
		t.Fatal(err)
	}
	seen := 0
	call := func(args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		sys := fakeSystem()
		sys.Stdin, sys.Stdout, sys.Stderr = strings.NewReader(""), &out, &errs
		for _, open := range []*func(context.Context, app.Access) (*app.Session, error){&sys.World.Read, &sys.World.Write} {
			real := *open
			*open = func(ctx context.Context, a app.Access) (*app.Session, error) {
				s, err := real(ctx, a)
				if s != nil {
					s.Inspect = hostileInspector{}
				}
				return s, err
			}
		}
		cli.Run(context.Background(), args, sys)
		for _, text := range []string{out.String(), errs.String()} {
			if strings.Contains(text, "owned") {
				seen++
			}
			i := strings.IndexFunc(text, func(r rune) bool {
				return r != '\n' && !unicode.IsPrint(r)
			})
			if i >= 0 {
				t.Errorf("%v: %q", args, text[max(0, i-60):min(len(text), i+20)])
			}
		}
	}
	for _, args := range [][]string{
		{"plan"}, {"plan", "-json"}, {"plan", "-format", "markdown"}, {"drift"}, {"drift", "-json"}, {"drift", "-format", "github"},
		{"drift", "-format", "prometheus"},
		{"ps"}, {"ps", "-json"}, {"logs"}, {"logs", "a"}, {"info"}, {"history"}, {"history", "-json"}, {"history", "0001"}, {"rollback", "0001"},
		{"graph"}, {"plan", "-adopt", "*"}, {"apply", "-auto-approve"}, {"apply", "-auto-approve", "-json"}, {"destroy", "-auto-approve"},
	} {
		write("world.yaml", world)
		call(args...)
	}
	write(lockFile, "id: "+quoted+"\noperation: "+quoted+"\nwho: "+quoted+"\npid: 7\n")
	call("apply", "-auto-approve")
	if seen < 12 {
		t.Errorf("only %d outputs told of what the engine answered", seen)
	}
}

// TestFilesAreTheirOwnersOnly: with no umask to help, nobody else may read what
// was written, or write to it. A file that is there keeps its mode.
func TestFilesAreTheirOwnersOnly(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile(cli.DefaultSpec, []byte("version: \"1\"\nstack: test\nvariables: { P: { sensitive: true, default: x } }\nboxes: "+
		"{ a: { secret: \"${P}\" } }\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("definitions.json", []byte(`{"vhosts":[{"name":"/"}],"queues":[{"name":"q","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	before := map[string]bool{}
	list := func() map[string]os.FileMode {
		out := map[string]os.FileMode{}
		_ = filepath.Walk(".", func(path string, info os.FileInfo, _ error) error {
			out[path] = info.Mode()
			return nil
		})
		return out
	}
	for name := range list() {
		before[name] = true
	}
	for _, args := range [][]string{
		{"env", "-out", "values.env"}, {"plan", "-out", "p.plan"}, {"plan", "-into", "markdown=p.md", "-into", "json=p.json"},
		{"apply", "-auto-approve", "-json-into", "a.json"},
		{"drift", "-into", "sarif=d.sarif"}, {"import", "definitions", "definitions.json", "-service", "rabbitmq", "-out", "imported.yaml"},
		{"import", "live", "-out", "live.yaml"},
	} {
		var out, errs bytes.Buffer
		sys := fakeSystem()
		sys.Stdin, sys.Stdout, sys.Stderr = strings.NewReader(""), &out, &errs
		if status := cli.Run(context.Background(), args, sys); status != 0 {
			t.Errorf("%v: status %d\n%s%s", args, status, out.String(), errs.String())
		}
	}
	written := 0
	for name, mode := range list() {
		if before[name] || name == "world.yaml" || name == fakeJournalFile { // the fake's own
			continue
		}
		written++
		if mode.Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, mode)
		}
	}
	if written < 7 {
		t.Errorf("only %d files were written", written)
	}
	if info, err := os.Stat(cli.DefaultSpec); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the spec has mode %v %v", info.Mode(), err)
	}
}
