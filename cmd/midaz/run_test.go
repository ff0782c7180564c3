package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	midazcli "github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
	"github.com/LerianStudio/midaz-infra/schema"
)

// TestSchemaFileIsCurrent: the schema that editors read is made from the kinds
// as they are.
func TestSchemaFileIsCurrent(t *testing.T) {
	const file = "../../schema/midaz.infra.schema.json"
	want := schema.Encode(schema.Assemble(app.RealWorld().Kinds()))
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the kinds say: run go generate ./cmd/midaz", file)
	}
	if !json.Valid(want) {
		t.Error("the schema is not JSON")
	}
}

// locked is a buffer that several goroutines write to.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
	// saw is closed when the text has come.
	text string
	saw  chan struct{}
	once sync.Once
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.b.Write(p)
	if l.text != "" && strings.Contains(l.b.String(), l.text) {
		l.once.Do(func() { close(l.saw) })
	}
	return n, err
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// interrupted runs an apply of twenty boxes that gets signals at its first
// write, and returns how many writes took effect.
func interrupted(t *testing.T, send ...os.Signal) (status, writes int, stderr string) {
	t.Helper()
	var spec strings.Builder
	spec.WriteString("version: \"1\"\nstack: test\nboxes:\n")
	for i := range 20 {
		fmt.Fprintf(&spec, "  b%d: {}\n", i)
	}
	signals := make(chan os.Signal, len(send))
	errs := &locked{text: "Interrupted: what is in flight", saw: make(chan struct{})}
	var once sync.Once
	w := &fake.World{OnWrite: func(string, resources.Addr) {
		once.Do(func() {
			signals <- send[0]
			<-errs.saw // the program has taken it
			for _, s := range send[1:] {
				signals <- s
			}
		})
	}}
	sys := app.System{
		Stdin: strings.NewReader(spec.String()), Stdout: io.Discard, Stderr: errs, Now: newClock().now,
		LookupEnv: func(string) (string, bool) { return "", false },
		Signals:   func() (<-chan os.Signal, func()) { return signals, func() {} },
		World:     inMemory(w),
	}
	status = midazcli.Run(context.Background(), []string{"up", "-f", "-", "-parallelism", "1"}, sys)
	return status, len(w.Log()), errs.String()
}

// inMemory is the backends of a fake world that several runs share.
func inMemory(w *fake.World) app.World {
	return app.World{
		Kinds: fake.Kinds,
		Read: func(context.Context, app.Access) (*app.Session, error) {
			return &app.Session{Readers: w.Readers(), Inspect: fakeInspector{}, Close: func() {}}, nil
		},
		Write: func(context.Context, app.Access) (*app.Session, error) {
			return &app.Session{Readers: w.Readers(), Writers: w.Writers(), Inspect: fakeInspector{}, Locks: w, Close: func() {}}, nil
		},
	}
}

func TestFirstSignalFinishesWhatIsInFlight(t *testing.T) {
	for sig, want := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		status, writes, stderr := interrupted(t, sig)
		if status != want || writes != 1 {
			t.Errorf("%v: status %d after %d writes, want %d after 1\n%s", sig, status, writes, want, stderr)
		}
		if !strings.Contains(stderr, "not done, because the run was interrupted:") || !strings.Contains(stderr, "19 skipped") {
			t.Errorf("%v: what is left is not told:\n%s", sig, stderr)
		}
	}
}

func TestSecondSignalStops(t *testing.T) {
	status, writes, _ := interrupted(t, syscall.SIGTERM, os.Interrupt)
	if status != 143 || writes != 1 {
		t.Errorf("status %d after %d writes, want 143 after 1", status, writes)
	}
}

// TestOneNameOneMeaning: a flag that takes a value in one command takes one in
// each, so that it can stand before the verb.
func TestOneNameOneMeaning(t *testing.T) {
	takes := map[string]string{}
	for _, c := range midazcli.Commands() {
		for name, f := range midazcli.FlagsOf(c) {
			what := fmt.Sprint(midazcli.TakesValue(f))
			if name == "f" && c.Name == "logs" { // --follow; before the verb -f is --file
				continue
			}
			if takes[name] != "" && takes[name] != what {
				t.Errorf("-%s of %s takes a value: %s, elsewhere %s", name, c.Name, what, takes[name])
			}
			takes[name] = what
		}
	}
}

// TestEveryCommandIsDocumented: usage, description and examples, and the
// examples can be parsed.
func TestEveryCommandIsDocumented(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	for _, c := range midazcli.Commands() {
		if c.Hidden {
			continue
		}
		_, examples, ok := strings.Cut(c.Description, "Examples:\n")
		if c.Usage == "" || !ok || c.Category == "" {
			t.Errorf("%s: usage, category or examples are missing", c.Name)
		}
		for _, f := range c.Flags {
			if d, ok := f.(cli.DocGenerationFlag); !ok || d.GetUsage() == "" {
				t.Errorf("%s: flag %s has no usage", c.Name, f.Names()[0])
			}
		}
		for line := range strings.SplitSeq(examples, "\n") {
			line, _, _ = strings.Cut(line, " |")
			line, _, _ = strings.Cut(line, " >")
			_, line, ok := strings.Cut(line, "midaz ")
			if !ok {
				continue
			}
			words := strings.Fields(strings.ReplaceAll(strings.TrimRight(line, ")"), "'", ""))
			parsed, err := midazcli.ParseArgs(words, midazcli.Commands(), none)
			if err != nil || parsed.Verb != c.Name && c.Name != "drift" {
				t.Errorf("example of %s: midaz %s: %v", c.Name, line, err)
			}
		}
	}
}

func TestPanicIsAnError(t *testing.T) {
	var errs bytes.Buffer
	sys := app.System{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &errs, Now: newClock().now,
		LookupEnv: func(string) (string, bool) { return "", false },
		World:     app.World{Kinds: func() []resources.Kind { panic("boom") }}}
	if status := midazcli.Run(context.Background(), []string{"schema"}, sys); status != 1 || !strings.Contains(errs.String(), "bug in midaz") {
		t.Errorf("status %d, %s", status, errs.String())
	}
}
