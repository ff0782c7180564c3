package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"gopkg.in/yaml.v3"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
	"github.com/LerianStudio/midaz-infra/specs"
	"github.com/LerianStudio/midaz-infra/specs/draft"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMain makes the test binary the program as well. "midaz" has a fake world
// in world.yaml of the current folder; "midaz-real" is the program as it is
// shipped; "gh" is GitHub's command with a few comments; "midaz-docs" and
// "docker-docs" are those of the tutorials.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"midaz":      func() { os.Exit(cli.Run(context.Background(), os.Args[1:], fakeSystem())) },
		"midaz-real": main,
		"midaz-docs": func() { os.Exit(cli.Run(context.Background(), os.Args[1:], docsSystem())) },
		"docker-docs": func() {
			if err := docsDocker(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		},
		"gh": fakeGH,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "")
			e.Setenv("TERM", "xterm")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": statusCommand},
	})
}

// statusCommand runs a command and checks its exit status: status 2 midaz plan.
func statusCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status NUMBER COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit interface{ ExitCode() int }
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// fakeSystem is the process with a fake world and a clock that stands still.
func fakeSystem() app.System {
	return app.System{
		RunID: fakeRunID,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, LookupEnv: os.LookupEnv, Signals: cli.Notify, Who: "ann@host",
		Now: func() time.Time { return time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC) },
		World: app.World{
			Kinds: fake.Kinds,
			Rules: func() []*specs.Rule { return nil },
			Read:  func(ctx context.Context, a app.Access) (*app.Session, error) { return openFake(a, false) },
			Write: func(ctx context.Context, a app.Access) (*app.Session, error) { return openFake(a, true) },
		},
	}
}

// openFake reads world.yaml, and writes it back when the session is closed.
// CRASH_AT, CRASH_AFTER, DOWN, DOWN_UNTIL and BROKEN in the environment make it fail.
func openFake(a app.Access, writing bool) (*app.Session, error) {
	const file = "world.yaml"
	if os.Getenv("UNREACHABLE") != "" {
		return nil, &resources.Diagnosis{Err: fmt.Errorf("engine at unix:///fake.sock: %w", resources.ErrUnreachable), Hint: "start the engine"}
	}
	w := &fake.World{Down: os.Getenv("DOWN"), Broken: os.Getenv("BROKEN"), LockTime: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}
	w.CrashAt, _ = strconv.Atoi(os.Getenv("CRASH_AT"))
	w.CrashAfter = os.Getenv("CRASH_AFTER") != ""
	if until := os.Getenv("DOWN_UNTIL"); until != "" {
		addr, err := resources.ParseAddr(until)
		if err != nil {
			return nil, err
		}
		w.DownUntil = addr
	}
	if err := loadFake(w, file); err != nil {
		return nil, err
	}
	if err := loadLock(w); err != nil {
		return nil, err
	}
	s := &app.Session{Readers: w.Readers(), Inspect: fakeInspector{}, Journal: fakeJournal{w}, Close: func() {},
		HasTraces: func(context.Context, string, bool) bool { return w.Held() != nil }}
	if writing {
		s.Record = fakeJournal{w}
		s.Writers, s.Locks = w.Writers(), w
		s.Close = func() {
			if w.Held() == nil {
				_ = os.Remove(lockFile)
			}
			if w.Writes() == 0 {
				return
			}
			if err := saveFake(w, file); err != nil {
				panic(err)
			}
		}
	}
	return s, nil
}

// lockFile is where someone outside holds the lock. Its times are how long ago.
const lockFile = "lock.yaml"

func loadLock(w *fake.World) error {
	text, err := os.ReadFile(lockFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var l struct {
		ID, Operation, Who string
		PID                int
		Created, Heartbeat time.Duration
		Gone               bool
	}
	if err := yaml.Unmarshal(text, &l); err != nil {
		return err
	}
	w.Hold(&resources.LockInfo{ID: l.ID, Stack: "test", Operation: l.Operation, Who: l.Who, PID: l.PID, Gone: l.Gone,
		Created: w.LockTime.Add(-l.Created), Heartbeat: w.LockTime.Add(-l.Heartbeat)})
	return nil
}

// fakeObject is an object in world.yaml.
type fakeObject struct {
	Stack   string         `yaml:"stack,omitempty"`
	Owner   string         `yaml:"owner,omitempty"`
	Fields  map[string]any `yaml:"fields,omitempty"`
	Applied string         `yaml:"applied,omitempty"`
	Protect bool           `yaml:"protect,omitempty"`
	Gone    bool           `yaml:"gone,omitempty"`
	Refs    []string       `yaml:"refs,omitempty"`
	Holds   []string       `yaml:"holds,omitempty"`
}

func loadFake(w *fake.World, file string) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var all map[string]fakeObject
	if err := yaml.Unmarshal(text, &all); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		addr, err := resources.ParseAddr(name)
		if err != nil {
			return err
		}
		f := all[name]
		o := &fake.Object{Stack: f.Stack, Owner: f.Owner, Protect: f.Protect, Gone: f.Gone, Fields: resources.Config{}}
		for k, v := range f.Fields {
			o.Fields[k] = resources.Normalize(v)
		}
		if f.Applied != "" {
			if o.Applied, err = resources.ParseSealed(f.Applied); err != nil {
				return err
			}
		}
		for bind, names := range map[resources.Bind][]string{resources.Order: f.Refs, resources.Hold: f.Holds} {
			for _, n := range names {
				to, err := resources.ParseAddr(n)
				if err != nil {
					return err
				}
				o.Refs = append(o.Refs, resources.Ref{To: to, Bind: bind})
			}
		}
		w.Put(addr, o)
	}
	return nil
}

func saveFake(w *fake.World, file string) error {
	all := map[string]fakeObject{}
	for _, a := range w.Addrs() {
		o := w.Get(a)
		f := fakeObject{Stack: o.Stack, Owner: o.Owner, Protect: o.Protect, Gone: o.Gone, Fields: map[string]any{}}
		for k, v := range o.Fields {
			f.Fields[k] = specs.MapLeaves(v, func(v any) any { // as an engine keeps it
				if secret, ok := v.(resources.Secret); ok {
					return secret.Reveal()
				}
				return v
			})
		}
		if o.Applied != nil {
			f.Applied = o.Applied.String()
		}
		for _, r := range o.Refs {
			if r.Bind == resources.Hold {
				f.Holds = append(f.Holds, r.To.String())
			} else {
				f.Refs = append(f.Refs, r.To.String())
			}
		}
		all[a.String()] = f
	}
	text, err := yaml.Marshal(all)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// fakeInspector has an engine of four processors on which no container runs.
type fakeInspector struct{}

func (fakeInspector) Cpus(context.Context) int { return 4 }

func (fakeInspector) Containers(context.Context, string) ([]report.ContainerView, error) {
	return nil, nil
}

func (fakeInspector) Logs(context.Context, report.ContainerView, app.LogOptions, func(app.LogLine)) error {
	return nil
}

func (fakeInspector) About(context.Context) ([]report.AboutPart, error) {
	return []report.AboutPart{{Title: "Engine", Rows: [][2]string{{"version", "fake"}}}}, nil
}

func (fakeInspector) Live(_ context.Context, o app.LiveOptions) (*draft.Draft, error) {
	return &draft.Draft{Stack: o.Stack}, nil
}
func (fakeInspector) Unmanaged(context.Context, string) ([]*resources.Observed, error) {
	return nil, nil
}
