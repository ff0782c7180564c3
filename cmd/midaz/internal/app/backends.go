package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/docker/go-units"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/docker"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/specs"
	"github.com/LerianStudio/midaz-infra/specs/draft"
)

// RealWorld is Docker and RabbitMQ. This file is the only one that knows both.
func RealWorld() World {
	return World{
		Kinds: func() []resources.Kind { return slices.Concat(docker.Kinds(), rabbitmq.Kinds()) },
		Rules: func() []*specs.Rule { return rabbitmq.Rules() },
		Read:  readReal,
		Write: writeReal,
	}
}

// readReal opens both through clients whose types have no writing call.
func readReal(ctx context.Context, a Access) (*Session, error) {
	e, err := docker.OpenReader(ctx, dockerapi.Options{LookupEnv: a.lookupEnv})
	if err != nil && isNeedless(err, a.Declared) {
		broker := rabbitmq.OpenReader(rabbitmq.Options{Declared: a.Declared})
		return &Session{Readers: broker.Readers(), Inspect: &realInspector{broker: broker, declared: a.Declared, absent: err},
			Journal: noJournal{err}, absent: err, Close: func() {}}, nil
	}
	if err != nil {
		return nil, err
	}
	broker := rabbitmq.OpenReader(rabbitmq.Options{Declared: a.Declared, Dial: through(e, a.Declared), Made: made(e, a.Declared)})
	return &Session{
		Readers:   Merged(e.Readers(), broker.Readers()),
		Inspect:   &realInspector{engine: e, broker: broker, declared: a.Declared},
		Journal:   e,
		HasTraces: e.HasTraces,
		other:     e.Other(),
		Close:     func() { _ = e.Close() },
	}, nil
}

func writeReal(ctx context.Context, a Access) (*Session, error) {
	e, err := docker.Open(ctx, dockerapi.Options{LookupEnv: a.lookupEnv})
	if err != nil && isNeedless(err, a.Declared) {
		broker := rabbitmq.Open(rabbitmq.Options{Declared: a.Declared})
		return &Session{Readers: broker.Readers(), Writers: broker.Writers(), Inspect: &realInspector{broker: broker.ReadBroker,
			declared: a.Declared, absent: err},
			Journal: noJournal{err}, absent: err, Close: func() {}}, nil
	}
	if err != nil {
		return nil, err
	}
	broker := rabbitmq.Open(rabbitmq.Options{Declared: a.Declared, Dial: through(e.ReadEngine, a.Declared),
		Made: made(e.ReadEngine, a.Declared), Exec: beside(e, a.Declared)})
	return &Session{
		Readers: Merged(e.Readers(), broker.Readers()),
		Writers: Merged(e.Writers(), broker.Writers()),
		Inspect: &realInspector{engine: e.ReadEngine, broker: broker.ReadBroker, declared: a.Declared},
		Journal: e,
		Record:  e,
		Locks:   e,
		Close:   func() { _ = e.Close() },

		Warnings: e.Warnings,
	}, nil
}

// isNeedless reports whether an engine does not answer that the spec needs for
// nothing: it declares only what a broker has that is reached by its address.
func isNeedless(err error, declared *resources.Declared) bool {
	if !errors.Is(err, resources.ErrUnreachable) || declared == nil || len(declared.Of("broker")) == 0 {
		return false
	}
	for _, k := range docker.Kinds() {
		if len(declared.Of(k.Table().Kind)) > 0 {
			return false
		}
	}
	return !slices.ContainsFunc(declared.Of("broker"), func(r *resources.Resource) bool { return r.Config.Text("service") != "" })
}

// noJournal is the journal of stacks whose engine does not answer.
type noJournal struct{ err error }

func (n noJournal) Runs(context.Context, string) ([]*resources.Run, error) { return nil, n.err }

func (n noJournal) Past(context.Context, *resources.Run) (*resources.Past, error) { return nil, n.err }

func (noJournal) Images(context.Context, *resources.Declared) map[string]resources.RunImage {
	return nil
}

func (n noJournal) Pin(_ context.Context, root specs.Node, _ *resources.Run) (specs.Node, []string, error) {
	return root, nil, n.err
}

// made tells from the journal what earlier runs made: a broker that was emptied,
// or lost its list, has nothing to tell.
func made(e *docker.ReadEngine, declared *resources.Declared) func(context.Context) map[resources.Addr]bool {
	var once sync.Once
	var known map[resources.Addr]bool
	return func(ctx context.Context) map[resources.Addr]bool {
		once.Do(func() {
			if runs, err := e.Runs(ctx, declared.Stack); err == nil {
				known = resources.MadeBy(runs)
			}
		})
		return known
	}
}

// through reaches the broker's service by the way the engine knows to its
// container.
func through(e *docker.ReadEngine, declared *resources.Declared) rabbitmq.Dial {
	dial := e.Dialer()
	return func(ctx context.Context, service string, port int) (net.Conn, error) {
		r := declared.Get(resources.NewAddr("service", service))
		if r == nil {
			return nil, fmt.Errorf("service %s is not declared: %w", service, resources.ErrUnreachable)
		}
		return dial(ctx, r, port)
	}
}

// beside runs commands in the container of the broker's service.
func beside(e *docker.Engine, declared *resources.Declared) rabbitmq.Exec {
	run := e.Runner()
	return func(ctx context.Context, service string, cmd []string) (string, error) {
		r := declared.Get(resources.NewAddr("service", service))
		if r == nil {
			return "", fmt.Errorf("service %s is not declared", service)
		}
		return run(ctx, r, cmd)
	}
}

func Merged[V any](all ...map[string]V) map[string]V {
	out := map[string]V{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

// realInspector answers from Docker, and from the broker what only that knows.
type realInspector struct {
	engine   *docker.ReadEngine // nil when it does not answer and is not needed
	absent   error              // why
	broker   *rabbitmq.ReadBroker
	declared *resources.Declared
}

func (l *realInspector) Cpus(ctx context.Context) int {
	if l.engine == nil {
		return 0
	}
	return l.engine.CPUs(ctx)
}

func (l *realInspector) Containers(ctx context.Context, stack string) ([]report.ContainerView, error) {
	if l.engine == nil {
		return nil, l.absent
	}
	all, err := l.engine.Services(ctx, stack)
	if err != nil {
		return nil, err
	}
	out := make([]report.ContainerView, len(all))
	for i, s := range all {
		out[i] = report.ContainerView{Addr: s.Addr, ID: s.ID, Name: s.Container, Image: s.Image, State: s.State, Health: s.Health,
			Ports: s.Ports, Created: s.Created, Started: s.Started, Age: s.Age, Restarts: s.Restarts, Leftover: s.Leftover}
	}
	return out, nil
}

func (l *realInspector) Logs(ctx context.Context, c report.ContainerView, o LogOptions, line func(LogLine)) error {
	if l.engine == nil {
		return l.absent
	}
	return l.engine.Logs(ctx, c.ID, docker.LogOptions{Follow: o.Follow, Tail: o.Tail, Since: o.Since, Timestamps: o.Timestamps,
		ThisRun: o.ThisRun},
		func(got docker.LogLine) { line(LogLine{Text: got.Text, at: got.At, Stderr: got.Stderr}) })
}

func (l *realInspector) About(ctx context.Context) ([]report.AboutPart, error) {
	if l.engine == nil {
		return nil, l.absent
	}
	f, err := l.engine.About(ctx)
	if err != nil {
		return nil, err
	}
	engine := report.AboutPart{Title: "Engine", Rows: [][2]string{
		{"address", withoutPassword(f.Host)}, {"chosen by", f.From}, {"version", f.Version + " (API " + f.API + ")"},
		{"system", fmt.Sprintf("%s/%s, %s", f.OS, f.Arch, f.Kernel)},
		{"size", fmt.Sprintf("%s, %s of memory", report.Count(f.CPUs, "CPU"), units.BytesSize(float64(f.Memory)))},
		{"storage", fmt.Sprintf("%s, cgroup %s", f.StorageDriver, f.CgroupVersion)},
		{"holds", fmt.Sprintf("%s, %s", report.Count(f.Containers, "container"), report.Count(f.Images, "image"))},
	}}
	for _, w := range f.Warnings {
		engine.Rows = append(engine.Rows, [2]string{"warning", w})
	}
	parts := []report.AboutPart{engine}
	if brokers := l.declared.Of("broker"); len(brokers) > 0 {
		parts = append(parts, l.aboutBroker(ctx, brokers[0]))
	}
	return parts, nil
}

// aboutBroker says where the broker is, as whom it is asked, and what it
// answers. One that does not answer is described all the same.
func (l *realInspector) aboutBroker(ctx context.Context, r *resources.Resource) report.AboutPart {
	p := report.AboutPart{Title: "Broker"}
	if f, err := l.broker.About(ctx); err != nil {
		p.Rows = append(p.Rows, [2]string{"version", "unknown: " + err.Error()})
	} else {
		p.Rows = append(p.Rows, [2]string{"version", "RabbitMQ " + f.Version}, [2]string{"cluster", f.Cluster + " (" + f.Node + ")"},
			[2]string{"listens for", strings.Join(f.Protocols, ", ")})
	}
	if service := r.Config.Text("service"); service != "" {
		p.Rows = append(p.Rows, [2]string{"runs as", "service/" + service})
	}
	for _, url := range r.Config.Texts("url") {
		p.Rows = append(p.Rows, [2]string{"address", withoutPassword(url)})
	}
	management := r.Config.Map("management")
	if port, ok := management["port"].(int64); ok {
		p.Rows = append(p.Rows, [2]string{"management", fmt.Sprintf("port %d", port)})
	}
	if user, ok := management["username"].(string); ok {
		p.Rows = append(p.Rows, [2]string{"asked as", user})
	}
	kinds := map[string]int{}
	var names []string
	for _, o := range l.declared.Resources {
		if k := l.declared.Kind(o.Addr.Kind); k != nil && strings.HasPrefix(k.Table().Section, "rabbitmq/") && !o.Dormant {
			if kinds[o.Addr.Kind]++; kinds[o.Addr.Kind] == 1 {
				names = append(names, o.Addr.Kind)
			}
		}
	}
	for i, k := range names {
		names[i] = report.Count(kinds[k], k)
	}
	if len(names) > 0 {
		p.Rows = append(p.Rows, [2]string{"declared", strings.Join(names, ", ")})
	}
	return p
}

func (l *realInspector) Live(ctx context.Context, o LiveOptions) (*draft.Draft, error) {
	if l.engine == nil {
		return nil, l.absent
	}
	return l.engine.Live(ctx, docker.LiveOptions{Stack: o.Stack, Project: o.project, Labels: o.labels, Names: o.names})
}

func (l *realInspector) Unmanaged(ctx context.Context, stack string) ([]*resources.Observed, error) {
	if len(l.declared.Of("broker")) == 0 {
		return nil, nil // no broker is named, so nobody can be asked
	}
	return l.broker.Unmanaged(ctx, stack)
}
