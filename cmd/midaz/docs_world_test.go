package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/docker"
	"github.com/LerianStudio/midaz-infra/resources/fake"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Variables that tell the programs of the tutorials where their world is.
const (
	docsWorldFile = "MIDAZ_DOCS_WORLD"
	docsBroker    = "MIDAZ_DOCS_BROKER"
)

// docsSystem is the program with the real kinds: Docker's in a world in memory,
// RabbitMQ's on the broker that MIDAZ_DOCS_BROKER names.
func docsSystem() app.System {
	s := fakeSystem()
	s.World = app.RealWorld()
	s.World.Read = func(_ context.Context, a app.Access) (*app.Session, error) { return openDocs(a, false) }
	s.World.Write = func(_ context.Context, a app.Access) (*app.Session, error) { return openDocs(a, true) }
	return s
}

func openDocs(a app.Access, writing bool) (*app.Session, error) {
	w := &fake.World{LockTime: fakeSystem().Now()}
	if err := loadFake(w, os.Getenv(docsWorldFile)); err != nil {
		return nil, err
	}
	options := rabbitmq.Options{Declared: a.Declared, Dial: func(ctx context.Context, service string, _ int) (net.Conn, error) {
		if w.Get(resources.NewAddr("service", service)) == nil {
			return nil, fmt.Errorf("service %s does not run: %w", service, resources.ErrUnreachable)
		}
		return new(net.Dialer).DialContext(ctx, "tcp", os.Getenv(docsBroker))
	}}
	kinds := docker.Kinds()
	seen := w.ReadersOf(kinds)
	for kind, r := range seen {
		seen[kind] = docsReader{r, kind, writing}
	}
	s := &app.Session{Inspect: fakeInspector{}, Journal: fakeJournal{w}, Close: func() {}}
	if !writing {
		s.Readers = app.Merged(seen, rabbitmq.OpenReader(options).Readers())
		return s, nil
	}
	broker := rabbitmq.Open(options)
	s.Readers, s.Writers = app.Merged(seen, broker.Readers()), app.Merged(w.WritersOf(kinds), broker.Writers())
	s.Record, s.Locks = fakeJournal{w}, w
	s.Close = func() {
		if err := saveDocs(w); err != nil {
			panic(err)
		}
	}
	return s, nil
}

// docsReader is a reader that sees what Docker shows.
type docsReader struct {
	resources.Reader
	kind    string
	writing bool
}

func (r docsReader) Observe(ctx context.Context, scope resources.Scope) ([]*resources.Observed, error) {
	all, err := r.Reader.Observe(ctx, scope)
	for _, o := range all {
		o.Have = shownByDocker(o.Have)
		o.Free = r.kind == "image" // images carry no mark of a stack
		if r.kind == "volume" && !r.writing {
			o.ID = o.Have.Text("name") // for those who only read; the world pins by numbers
		}
	}
	return all, err
}

// shownByDocker is what Docker shows of the fields of a container: no priority of a
// network, and of a file what lies in the container.
func shownByDocker(c resources.Config) resources.Config {
	out := c.Clone()
	for k, v := range out {
		out[k] = revealed(v, func(text string) string { return text })
	}
	for _, e := range out.Map("networks") {
		if network, ok := e.(map[string]any); ok {
			delete(network, "priority")
		}
	}
	for target, e := range out.Map("files") {
		file := resources.Config(e.(map[string]any))
		out.Map("files")[target] = map[string]any{"content": file["content"], "mode": file["mode"], "uid": file["uid"], "gid": file["gid"]}
	}
	return out
}

// saveDocs writes the world as Docker shows it.
func saveDocs(w *fake.World) error {
	for _, a := range w.Addrs() {
		o := w.Get(a)
		o.Fields = shownByDocker(o.Fields)
		if a.Kind == "image" {
			o.Stack = ""
		}
	}
	return saveFake(w, os.Getenv(docsWorldFile))
}

// docsDocker is the part of the docker command that the tutorials use, on the
// same world.
func docsDocker() error {
	w := &fake.World{}
	if err := loadFake(w, os.Getenv(docsWorldFile)); err != nil {
		return err
	}
	args := os.Args[1:]
	name := args[len(args)-1]
	switch {
	case len(args) == 4 && args[0] == "update" && args[1] == "--cpus":
		o := containerOf(w, name)
		cpus, err := strconv.ParseFloat(args[2], 64)
		if err != nil {
			return err
		}
		o.Fields["cpus"] = cpus
		fmt.Println(name)
	case len(args) == 3 && args[0] == "rm" && args[1] == "-f":
		containerOf(w, name).Gone = true
		fmt.Println(name)
	case slices.Equal(args, []string{"compose", "up", "-d"}):
		if err := composeUp(w); err != nil {
			return err
		}
	default:
		return fmt.Errorf("docker %s: not found in docsDocker", strings.Join(args, " "))
	}
	return saveDocs(w)
}

// containerOf finds a service by the name of its container.
func containerOf(w *fake.World, name string) *fake.Object {
	for _, a := range w.Addrs() {
		o := w.Get(a)
		if a.Kind == "service" && (o.Fields.Text("container_name") == name || o.Stack+"-"+a.Name == name) {
			return o
		}
	}
	panic("no container " + name)
}

// composeUp makes what Compose would make of the file in the current folder.
func composeUp(w *fake.World) error {
	dir, err := os.MkdirTemp("", "compose")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "spec.yaml")
	s := docsSystem()
	s.Stderr = io.Discard
	if status := cli.Run(context.Background(), []string{"import", "compose", "-out", file}, s); status != 0 {
		return fmt.Errorf("the Compose file cannot be read: %d", status)
	}
	spec, problems := specs.Load(specs.Options{Files: []string{file}, LookupEnv: os.LookupEnv})
	declared, more := engine.Resolve(spec, app.RealWorld().Kinds())
	if n := problems.Errors() + more.Errors(); n > 0 {
		return fmt.Errorf("%d errors: %v %v", n, problems, more)
	}
	for _, r := range declared.Resources {
		o := &fake.Object{Fields: r.Config, Refs: r.Refs}
		if r.Addr.Kind != "image" {
			o.Owner = fmt.Sprintf("Compose project %q", spec.Stack)
		}
		w.Put(r.Addr, o)
	}
	return nil
}
