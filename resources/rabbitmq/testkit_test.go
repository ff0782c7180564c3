package rabbitmq_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/brokertest"
	"github.com/LerianStudio/midaz-infra/specs"
)

const stack = "midaz-test"

// declare resolves a spec as far as the kinds of this package need it.
func declare(t testing.TB, text string) (*resources.Declared, specs.Problems) {
	t.Helper()
	root, err := specs.ParseNode("midaz.infra.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	var problems specs.Problems
	report := func(p *specs.Problem) { problems = append(problems, p) }
	var found []*resources.Resource
	kinds := rabbitmq.Kinds()
	for _, k := range kinds {
		walk(root, specs.Pos{}, strings.Split(k.Table().Section, "/"), nil, func(n specs.Node, pos specs.Pos, names []string) {
			c := k.Table().Decode(n, report)
			addr := resources.NewAddr(k.Table().Kind, slices.Clone(names)...)
			if namer, ok := k.(resources.Namer); ok {
				addr = namer.Name(names, c)
			}
			found = append(found, &resources.Resource{Addr: addr, Stack: stack, Config: c, Node: n, KeyPos: pos})
		})
	}
	// Of services only the image is looked at.
	walk(root, specs.Pos{}, []string{"services", "*"}, nil, func(n specs.Node, pos specs.Pos, names []string) {
		found = append(found, &resources.Resource{Addr: resources.NewAddr("service", names[0]), Stack: stack,
			Config: resources.Config{"image": n.Get("image").Text()}, Node: n, KeyPos: pos})
	})
	all := resources.NewDeclared(&specs.Spec{Stack: stack, Root: root}, kinds, found)
	for _, r := range all.Resources {
		if f, ok := all.Kind(r.Addr.Kind).(resources.Finisher); ok {
			f.Finish(r, all, report)
		}
	}
	for _, k := range kinds {
		if d, ok := k.(resources.Deriver); ok {
			found = append(found, d.Derive(all)...)
		}
	}
	all = resources.NewDeclared(all.Spec, kinds, found)
	for _, r := range all.Resources {
		if all.Kind(r.Addr.Kind) == nil {
			continue
		}
		for _, ref := range all.Kind(r.Addr.Kind).Refs(r) {
			if all.Get(ref.To) != nil {
				r.Refs = append(r.Refs, ref)
			} else if !ref.Optional && ref.To.Kind != "service" {
				report(&specs.Problem{Pos: r.Pos(ref.At), Msg: fmt.Sprintf("%s refers to %s, which is not declared", r.Addr, ref.To)})
			}
		}
	}
	for _, k := range kinds {
		if c, ok := k.(resources.Checker); ok {
			c.Check(all, report)
		}
	}
	return all, problems.Sorted()
}

func walk(n specs.Node, pos specs.Pos, path, names []string, visit func(specs.Node, specs.Pos, []string)) {
	switch {
	case len(path) == 0:
		visit(n, pos, names)
	case path[0] == "-":
		for _, item := range n.Items() {
			walk(item, item.Pos(), path[1:], names, visit)
		}
	case path[0] == "*":
		for _, e := range n.Entries() {
			walk(e.Value, e.KeyPos, path[1:], append(slices.Clone(names), e.Key), visit)
		}
	default:
		if e, ok := n.Entry(path[0]); ok {
			walk(e.Value, e.KeyPos, path[1:], names, visit)
		}
	}
}

// target is a broker that tests run against: one in memory, or a real one.
type target struct {
	name, url, username, password string
	amqp                          string             // host and port, "" for one without
	fake                          *brokertest.Broker // nil for a real one
}

func fakeTarget(t testing.TB, version string) *target {
	b := brokertest.New(t)
	b.Version = version
	return &target{name: "memory-" + version, url: b.URL(), username: b.Username, password: b.Password, fake: b}
}

// onEach runs a test against brokers in memory of three versions and, when
// MIDAZ_TEST_RABBITMQ names one (http://user:password@host:port), a real one,
// which speaks AMQP where MIDAZ_TEST_AMQP says (host:port).
// Whatever the test makes there is called midaz-test and removed before and
// after.
func onEach(t *testing.T, test func(t *testing.T, b *target)) {
	for _, version := range []string{"3.10.8", "4.0.5", "4.3.6"} {
		t.Run("memory-"+version, func(t *testing.T) { test(t, fakeTarget(t, version)) })
	}
	t.Run("real", func(t *testing.T) { test(t, realTarget(t)) })
}

func realTarget(t testing.TB) *target {
	b := tryReal(t)
	if b == nil {
		t.Skip("MIDAZ_TEST_RABBITMQ names no broker")
	}
	return b
}

func tryReal(t testing.TB) *target {
	raw := os.Getenv("MIDAZ_TEST_RABBITMQ")
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.User == nil {
		t.Fatal("MIDAZ_TEST_RABBITMQ must be http://user:password@host:port")
	}
	password, _ := u.User.Password()
	b := &target{name: "real", url: u.Scheme + "://" + u.Host, username: u.User.Username(), password: password,
		amqp: os.Getenv("MIDAZ_TEST_AMQP")}
	b.wipe(t)
	t.Cleanup(func() { b.wipe(t) })
	return b
}

func (b *target) do(t testing.TB, method, path, body string) any {
	t.Helper()
	return (&brokertest.Client{URL: b.url, Username: b.username, Password: b.password}).Do(t, method, path, body)
}

func (b *target) wipe(t testing.TB) {
	t.Helper()
	if b.fake != nil {
		for _, path := range []string{"vhosts/midaz-test", "global-parameters/midaz." + stack} {
			b.do(t, http.MethodPut, "/api/"+path, `{"value":1}`)
			b.do(t, http.MethodDelete, "/api/"+path, "")
		}
		return
	}
	for _, kind := range []string{"vhosts", "users", "global-parameters"} {
		rows, _ := b.do(t, http.MethodGet, "/api/"+kind, "").([]any)
		for _, r := range rows {
			name, _ := r.(map[string]any)["name"].(string)
			if strings.HasPrefix(name, "midaz-test") || strings.HasPrefix(name, "midaz.midaz-test") {
				b.remove(t, "/api/"+kind+"/"+url.PathEscape(name))
			}
		}
	}
}

// remove deletes, however long it takes: a broker closes the connection after
// a minute, and deletes a large virtual host all the same.
func (b *target) remove(t testing.TB, path string) {
	t.Helper()
	for range 10 {
		req, _ := http.NewRequest(http.MethodDelete, b.url+path, nil)
		req.SetBasicAuth(b.username, b.password)
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			return
		}
	}
	t.Fatalf("%s cannot be deleted", path)
}

// head is the beginning of every spec of these tests.
func (b *target) head() string {
	amqp := ""
	if b.amqp != "" {
		amqp = "  amqp: amqp://" + b.amqp + "\n"
	}
	return fmt.Sprintf("rabbitmq:\n  url: %s\n%s  management: { username: %s, password: %q }\n", b.url, amqp, b.username, b.password)
}

// world runs specs against a target, in the way the engine does: observe, look
// for differences, claim, write in order, look again, release.
type world struct {
	t testing.TB
	b *target
	// lean leaves out Claim and Release, as a killed run does.
	noClaim, noRelease bool
	// consent goes on with what the plan has shown to be lost.
	consent bool
}

// change is one thing to do.
type change struct {
	action resources.Action
	want   *resources.Resource
	have   *resources.Observed
	delta  resources.Delta
}

func (c change) String() string {
	var a resources.Addr
	if c.have != nil {
		a = c.have.Addr
	} else {
		a = c.want.Addr
	}
	return string(c.action) + " " + a.String()
}

func names(changes []change) []string {
	var out []string
	for _, c := range changes {
		out = append(out, c.String())
	}
	slices.Sort(out)
	return out
}

func (w world) resolve(text string) *resources.Declared {
	w.t.Helper()
	all, problems := declare(w.t, w.b.head()+text)
	if err := problems.Err(); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// observe asks all readers, as the engine does for a plan.
func observe(t testing.TB, b *rabbitmq.ReadBroker, all *resources.Declared) map[resources.Addr]*resources.Observed {
	t.Helper()
	seen := map[resources.Addr]*resources.Observed{}
	for kind, reader := range b.Readers() {
		found, err := reader.Observe(context.Background(), resources.Scope{Stack: stack, Want: all.Of(kind), Owned: true})
		if err != nil {
			t.Fatalf("observe %s: %v", kind, err)
		}
		for _, o := range found {
			seen[o.Addr] = o
		}
	}
	return seen
}

func compare(all *resources.Declared, r *resources.Resource, have *resources.Observed) resources.Delta {
	k := all.Kind(r.Addr.Kind)
	if c, ok := k.(resources.Comparer); ok {
		return c.Compare(r, have)
	}
	return k.Table().Compare(r.Config, have.Have, have.Applied)
}

// plan returns what differs.
func (w world) plan(all *resources.Declared) []change {
	w.t.Helper()
	seen := observe(w.t, rabbitmq.OpenReader(rabbitmq.Options{Declared: all}), all)
	var out []change
	for _, r := range all.Resources {
		o := seen[r.Addr]
		switch {
		case r.External || r.Addr.Kind == "broker":
		case o == nil:
			w.t.Fatalf("%s was not observed", r.Addr)
		case o.Presence == resources.Absent:
			out = append(out, change{resources.Create, r, o, nil})
		case o.Stack != stack && !o.Free:
			out = append(out, change{"refuse", r, o, nil})
		default:
			if d := compare(all, r, o); d.Cost() == resources.Remake {
				out = append(out, change{resources.Replace, r, o, d})
			} else if len(d) > 0 {
				out = append(out, change{resources.Update, r, o, d})
			}
		}
	}
	for _, o := range seen {
		if all.Get(o.Addr) == nil && o.Stack == stack && !o.Free {
			out = append(out, change{resources.Delete, nil, o, nil})
		}
	}
	return follow(all, seen, out)
}

// follow replaces what holds something that is replaced.
func follow(all *resources.Declared, seen map[resources.Addr]*resources.Observed, changes []change) []change {
	replaced := map[resources.Addr]bool{}
	for _, c := range changes {
		if c.action == resources.Replace && !inOneStep(all, c.want.Addr.Kind) {
			replaced[c.want.Addr] = true
		}
	}
	for _, r := range all.Resources {
		for _, ref := range r.Refs {
			if ref.Bind == resources.Hold && replaced[ref.To] && !replaced[r.Addr] && seen[r.Addr].Presence == resources.Present {
				replaced[r.Addr] = true
				changes = append(changes, change{resources.Replace, r, seen[r.Addr], nil})
			}
		}
	}
	return changes
}

// inOneStep reports whether a kind replaces its objects in steps of its own.
func inOneStep(all *resources.Declared, kind string) bool {
	k, ok := all.Kind(kind).(resources.Replaced)
	return ok && k.Replacement() == resources.OneStep
}

// letGo orders what is removed: before an object goes all that refers to it, as
// the engine does.
func letGo(seen []*resources.Observed) []*resources.Observed {
	referring := map[resources.Addr][]*resources.Observed{}
	seen = slices.SortedFunc(slices.Values(seen), func(a, b *resources.Observed) int { return a.Addr.Compare(b.Addr) })
	for _, o := range seen {
		for _, ref := range o.Refs {
			referring[ref.To] = append(referring[ref.To], o)
		}
	}
	var out []*resources.Observed
	done := map[*resources.Observed]bool{}
	var visit func(o *resources.Observed)
	visit = func(o *resources.Observed) {
		if done[o] {
			return
		}
		done[o] = true
		for _, other := range referring[o.Addr] {
			visit(other)
		}
		out = append(out, o)
	}
	for _, o := range seen {
		visit(o)
	}
	return out
}

// apply carries out what plan says, and returns it.
func (w world) apply(text string) []string {
	w.t.Helper()
	all := w.resolve(text)
	changes := w.plan(all)
	if err := w.carryOut(all, changes); err != nil {
		w.t.Fatal(err)
	}
	return names(changes)
}

func (w world) carryOut(all *resources.Declared, changes []change) error {
	ctx := context.Background()
	b := rabbitmq.Open(rabbitmq.Options{Declared: all})
	writers, readers := b.Writers(), b.Readers()
	claimer := writers["queue"].(resources.Claimed).Claimer()
	if w.consent {
		for _, c := range changes {
			if consenting, ok := writers[addrOf(c).Kind].(resources.Consenting); ok {
				consenting.Consent(addrOf(c), dangers(all, c, changes))
			}
		}
	}
	var intended []*resources.Resource
	todo := map[resources.Addr]change{}
	var gone []resources.Addr
	for _, c := range changes {
		if c.want != nil {
			intended = append(intended, c.want)
			todo[c.want.Addr] = c
		} else {
			gone = append(gone, c.have.Addr)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	if !w.noClaim {
		if err := claimer.Claim(ctx, stack, intended, gone); err != nil {
			return err
		}
	}
	var leaving, last []*resources.Observed
	for _, c := range changes {
		switch {
		case c.have == nil:
		case c.have.Leftover != "":
			last = append(last, c.have) // after what it was left by
		case c.action == resources.Delete, c.action == resources.Replace && !inOneStep(all, c.have.Addr.Kind):
			leaving = append(leaving, c.have)
		}
	}
	for _, o := range letGo(leaving) {
		if err := writers[o.Addr.Kind].Delete(ctx, o, nil); err != nil {
			return fmt.Errorf("delete %s: %w", o.Addr, err)
		}
	}
	done := map[resources.Addr]bool{}
	var visit func(r *resources.Resource) error
	visit = func(r *resources.Resource) error {
		if done[r.Addr] {
			return nil
		}
		done[r.Addr] = true
		for _, ref := range r.Refs {
			if err := visit(all.Get(ref.To)); err != nil {
				return err
			}
		}
		c, ok := todo[r.Addr]
		if !ok {
			return nil
		}
		return w.write(ctx, all, c, readers, writers)
	}
	for _, r := range all.Resources {
		if err := visit(r); err != nil {
			return err
		}
	}
	for _, o := range letGo(last) {
		if err := writers[o.Addr.Kind].Delete(ctx, o, nil); err != nil {
			return fmt.Errorf("clear %s: %w", o.Addr, err)
		}
	}
	if w.noRelease {
		return nil
	}
	return claimer.Release(ctx, stack, all.Resources, gone)
}

// write looks again and creates or updates.
func (w world) write(ctx context.Context, all *resources.Declared, c change, readers map[string]resources.Reader,
	writers map[string]resources.Writer) error {
	r := c.want
	found, err := readers[r.Addr.Kind].Observe(ctx, resources.Scope{Stack: stack, Want: []*resources.Resource{r}})
	if err != nil {
		return err
	}
	switch {
	case found[0].Presence == resources.Absent:
		err = writers[r.Addr.Kind].Create(ctx, r, nil)
	case found[0].Stack != stack && !found[0].Free && c.action != "adopt":
		return fmt.Errorf("%s belongs to %s", r.Addr, found[0].Owner)
	default:
		d := compare(all, r, found[0])
		if c.action == "adopt" {
			d = append(resources.Delta{{Path: "owner", Field: "owner", Cost: resources.InPlace}}, d...)
		}
		switch {
		case c.action == resources.Replace && inOneStep(all, r.Addr.Kind):
			err = writers[r.Addr.Kind].(resources.Replacer).Replace(ctx, r, found[0], nil)
		case len(d) > 0:
			err = writers[r.Addr.Kind].Update(ctx, r, found[0], d, nil)
		}
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", c.action, r.Addr, err)
	}
	return nil
}

// settled fails unless a plan is empty.
func (w world) settled(text string) {
	w.t.Helper()
	all := w.resolve(text)
	for _, c := range w.plan(all) {
		w.t.Errorf("not settled: %s %s", c, show(c.delta))
	}
}

func show(d resources.Delta) string {
	var out []string
	for _, f := range d {
		out = append(out, fmt.Sprintf("%s: %s -> %s (drift %v, pending %v)", f.Path, resources.Show(f.Before), resources.Show(f.After), f.Drift,
			f.Pending))
	}
	return strings.Join(out, "; ")
}

func equal(t testing.TB, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
