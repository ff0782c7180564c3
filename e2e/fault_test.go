//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
	"github.com/LerianStudio/midaz-infra/e2e/rig"
)

// fault is one thing that goes wrong with a call.
type fault struct {
	name  string
	fault proxy.Fault
	kill  bool // of midaz, with signal 9, at that moment
}

// faults are what goes wrong with one call. Each of them leaves the caller in
// another kind of doubt.
var faults = []fault{
	{"error before", proxy.Fault{When: proxy.Before, What: proxy.Error}, false},
	{"kill after", proxy.Fault{When: proxy.After, What: proxy.Reset}, true},
	{"reset after", proxy.Fault{When: proxy.After, What: proxy.Reset}, false},
	{"kill before", proxy.Fault{When: proxy.Before, What: proxy.Reset}, true},
	{"error after", proxy.Fault{When: proxy.After, What: proxy.Error}, false},
	{"reset before", proxy.Fault{When: proxy.Before, What: proxy.Reset}, false},
	{"silence after", proxy.Fault{When: proxy.After, What: proxy.Hang, Cut: 1500 * time.Millisecond}, false},
	{"silence before", proxy.Fault{When: proxy.Before, What: proxy.Hang, Cut: 1500 * time.Millisecond}, false},
}

// faultCase is one call of one apply, with one fault.
type faultCase struct {
	broker bool // or the engine
	reads  bool // k counts reading calls, or writing ones
	k      int
	fault  int // in faults
}

func (c faultCase) String() string {
	api, kind := "engine", "write"
	if c.broker {
		api = "broker"
	}
	if c.reads {
		kind = "read"
	}
	return fmt.Sprintf("%s %s %d, %s", api, kind, c.k, faults[c.fault].name)
}

// TestFaults lets one thing go wrong at each call of an apply with every kind
// of step, and holds what is left, and what the next apply makes of it, against
// an apply without faults.
//
// MIDAZ_FAULTS=all tries every fault at every writing call, and at each reading
// call every one that can be told apart there; without it every sixth writing
// call gets one fault.
// MIDAZ_FAULTS=REGEXP tries the cases whose name it matches, MIDAZ_FAULTS_LANES
// says on how many worlds at once (3, and no more than -parallel allows),
// MIDAZ_FAULTS_TABLE names a file for the numbers. What the time of the test does not suffice for is
// counted, and fails it.
func TestFaults(t *testing.T) {
	needDebianImage(t, "midaz-debian/rabbitmq:4.0", "rabbitmq")
	b := newBroker(t, newStack(t, ""))
	lanes := 3
	if n, err := strconv.Atoi(os.Getenv("MIDAZ_FAULTS_LANES")); err == nil {
		lanes = n
	}
	m := &faultMatrix{b: b, kinds: map[string]*tally{}}
	t.Run("without", m.learn)
	if t.Failed() {
		return
	}
	cases, err := m.cases(os.Getenv("MIDAZ_FAULTS"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d writing calls to the engine and %d to the broker, %d reading ones; %d cases", m.writes[0], m.writes[1], m.reads[0]+m.reads[1],
		len(cases))
	began := time.Now()
	t.Run("with", func(t *testing.T) {
		for lane := range lanes {
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				m.lane(t, lane, lanes, cases)
			})
		}
	})
	m.print(t, time.Since(began))
}

// faultMatrix is what all lanes share.
type faultMatrix struct {
	b      *broker
	want   [2]string // the world of each side, without faults
	writes [2]int    // calls of one apply to engine and broker
	reads  [2]int

	mu      sync.Mutex
	kinds   map[string]*tally // by kind of call
	done    int               // cases, for those who wait
	missed  int               // the call never came
	untried int               // the time did not suffice
}

type tally struct {
	cases, failures, survived int
}

// learn applies either side without a fault, and notes how the world is then
// and how many calls that takes.
func (m *faultMatrix) learn(t *testing.T) {
	w := newFaultWorld(t, m.b)
	for range 2 {
		w.proxy.Reset()
		w.b.Reset()
		w.put(1 - w.side)
		if r := w.applyAll(); r.code != 0 {
			t.Fatal(r)
		}
		for i, p := range []*proxy.Proxy{w.proxy, w.b.Proxy} {
			m.writes[i] = max(m.writes[i], len(p.Writes()))
			m.reads[i] = max(m.reads[i], len(p.Calls())-len(p.Writes()))
		}
		m.want[w.side] = w.world()
		w.converged()
		if now := w.others(); now != w.before {
			t.Errorf("others' objects:\n%s\nwere:\n%s", now, w.before)
		}
	}
}

// cases lists what is tried.
func (m *faultMatrix) cases(which string) ([]faultCase, error) {
	const part = 6
	chosen := regexp.MustCompile("")
	if which != "" && which != "all" {
		var err error
		if chosen, err = regexp.Compile(which); err != nil {
			return nil, err
		}
	}
	var out []faultCase
	for api := range 2 {
		for k := range m.writes[api] {
			for f := range faults {
				if which != "" || k%part == api && f == (k/part+k/part/len(faults))%len(faults) {
					out = append(out, faultCase{broker: api == 1, k: k + 1, fault: f})
				}
			}
		}
		if which == "" {
			continue
		}
		for k := range m.reads[api] {
			for f := range faults {
				// What has no effect ends in the same way before and after it.
				if faults[f].fault.When == proxy.Before {
					out = append(out, faultCase{broker: api == 1, reads: true, k: k + 1, fault: f})
				}
			}
		}
	}
	return slices.DeleteFunc(out, func(c faultCase) bool { return !chosen.MatchString(c.String()) }), nil
}

// lane runs every n-th case on one world. A world that a case has broken is
// left as it is, and the next case gets a new one.
func (m *faultMatrix) lane(t *testing.T, lane, lanes int, cases []faultCase) {
	var w *faultWorld
	for i := lane; i < len(cases); i += lanes {
		if end, ok := t.Deadline(); ok && time.Until(end) < 2*time.Minute {
			m.mu.Lock()
			m.untried++
			m.mu.Unlock()
			continue
		}
		if w == nil {
			w = newFaultWorld(t, m.b)
		}
		call, survived, wrong := m.one(w, cases[i])
		if len(wrong) > 0 {
			t.Errorf("%s, to the %s: %s\n%s\nsee %s", cases[i], sides[w.side], call, strings.Join(wrong, "\n"), w.keepCase(cases[i]))
			w = nil
		}
		m.mu.Lock()
		if call.N == 0 {
			m.missed++
		} else {
			kind := kindOfCall(call, cases[i].broker)
			if m.kinds[kind] == nil {
				m.kinds[kind] = &tally{}
			}
			m.kinds[kind].cases++
			if len(wrong) > 0 {
				m.kinds[kind].failures++
			}
			if survived {
				m.kinds[kind].survived++
			}
		}
		m.done++
		if m.done%100 == 0 {
			t.Logf("%d of %d cases", m.done, len(cases))
		}
		m.mu.Unlock()
	}
}

// one lets one case happen, on the way to the other side. It returns the call
// that was hit, whether the apply succeeded all the same, and what is wrong.
func (m *faultMatrix) one(w *faultWorld, c faultCase) (hit proxy.Call, survived bool, wrong []string) {
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	first := map[string]string{}
	for _, service := range []string{"beside", "swap"} {
		first[service] = w.container(service).ID
	}
	since := w.history.len()
	w.proxy.Reset()
	w.b.Reset()
	w.put(1 - w.side)
	hit, r := w.strike(c)
	survived = r.code == 0
	switch {
	case faults[c.fault].kill && hit.N > 0:
		survived = false
		if r.code != -1 {
			bad("it was to be killed and ended with %d", r.code)
		}
	case r.code == 0: // nothing was lost: it must be as without a fault, at once
	case r.code != 1 && r.code != 3 && r.code != 4:
		bad("exit %d", r.code)
	case !strings.Contains(strings.ToLower(r.stderr), "error") && !strings.Contains(r.stderr, "failed"):
		bad("it does not say what went wrong")
	}
	if r.took > time.Minute {
		bad("it took %v", r.took)
	}
	if r.code != -1 {
		if body, err := w.answer(); err != nil || body != sides[0] && body != sides[1] {
			bad("after it neither the old service nor the new one answers: %q %v", body, err)
		}
	}
	if !survived {
		if r := w.applyAll(); r.code != 0 {
			bad("the next apply exits with %d", r.code)
			return hit, survived, wrong
		}
	}
	if r := w.midaz("plan", "-detailed-exitcode"); r.code != 0 || !strings.Contains(r.stdout, "No changes.") {
		bad("the plan is not empty")
	}
	if now := w.world(); now != m.want[w.side] {
		bad("the world is not as without a fault:\n%s", differences(m.want[w.side], now))
	}
	if now := w.others(); now != w.before {
		bad("others' objects:\n%s", differences(w.before, now))
	}
	if body, err := w.answer(); err != nil || body != sides[w.side] {
		bad("the service answers %q %v", body, err)
	}
	if down, story := gap(first["beside"], w.history.since(since, "service/beside")); down > 0 {
		bad("what starts first was gone for %v:\n%s", down, story)
	}
	down, story := gap(first["swap"], w.history.since(since, "service/swap"))
	if !faults[c.fault].kill && down > 20*time.Second {
		bad("the service was gone for %v:\n%s", down, story)
	}
	return hit, survived, wrong
}

// strike runs apply with the fault at the case's call.
func (w *faultWorld) strike(c faultCase) (proxy.Call, *result) {
	p := w.proxy
	if c.broker {
		p = w.b.Proxy
	}
	reads := 0
	return w.stack.strike(p, c.fault, func(call proxy.Call) bool {
		if !c.reads {
			return call.W == c.k
		}
		if call.W == 0 {
			reads++
		}
		return call.W == 0 && reads == c.k
	}, faultArgs...)
}

// strike runs midaz with a fault, an index of faults, at the first call to p for
// which at is true, and returns that call as far as it came; N is 0 when it
// never did.
func (s *stack) strike(p *proxy.Proxy, n int, at func(proxy.Call) bool, args ...string) (proxy.Call, *result) {
	s.t.Helper()
	fault := faults[n].fault
	started := make(chan *process, 1)
	if faults[n].kill {
		fault.Do = func() {
			run := <-started
			_ = run.Process.Signal(syscall.SIGKILL)
		}
	}
	hit := 0
	p.Inject(func(call proxy.Call) *proxy.Fault {
		if hit > 0 || !at(call) {
			return nil
		}
		hit = call.N
		return &fault
	})
	run := s.start(args...)
	started <- run
	r := run.end()
	p.Inject(nil)
	for _, call := range p.Calls() {
		if call.N == hit {
			return call, r
		}
	}
	return proxy.Call{}, r
}

// keepCase writes the last commands and calls of a case that failed to a file,
// and returns its path.
func (w *faultWorld) keepCase(c faultCase) string {
	var text strings.Builder
	for _, r := range w.runs[max(0, len(w.runs)-3):] {
		fmt.Fprintf(&text, "%s\n", r)
	}
	for _, p := range []*proxy.Proxy{w.proxy, w.b.Proxy} {
		for _, c := range p.Calls() {
			fmt.Fprintf(&text, "%4d %3d %s %s ?%s -> %d %v\n", c.N, c.W, c.Began.Format("15:04:05.000"), c, c.Query, c.Status,
				c.Ended.Sub(c.Began).Round(time.Millisecond))
		}
	}
	dir := filepath.Join(rig.Root(), ".cache", "e2e", "faults")
	path := filepath.Join(dir, notInNames.ReplaceAllString(c.String(), "-")+".txt")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, []byte(text.String()), 0o600)); err != nil {
		return err.Error()
	}
	return path
}

// answer asks the service on its published port, and gives it a moment.
func (w *faultWorld) answer() (string, error) {
	var body string
	var err error
	for range 50 {
		if _, body, err = httpGet(fmt.Sprintf("http://127.0.0.1:%d/", w.port("PORT1"))); err == nil {
			return body, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return body, err
}

// differences returns the lines that only one of two texts has.
func differences(want, now string) string {
	a, b := strings.Split(want, "\n"), strings.Split(now, "\n")
	var out []string
	for _, l := range a {
		if !slices.Contains(b, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			out = append(out, "+ "+l)
		}
	}
	return strings.Join(out, "\n")
}

var nameInPath = regexp.MustCompile(`^/(containers|networks|volumes|images|exec)/[^/]+(/.*)?$`)

// kindOfCall groups calls for the table: by method and path without names.
func kindOfCall(c proxy.Call, broker bool) string {
	if !c.Writes() {
		return map[bool]string{false: "reads of the engine", true: "reads of the broker"}[broker]
	}
	if broker {
		return c.Method + " " + strings.Join(strings.Split(c.Path, "/")[:3], "/")
	}
	if m := nameInPath.FindStringSubmatch(c.Path); m != nil && !strings.HasSuffix(c.Path, "/create") {
		return c.Method + " /" + m[1] + "/ID" + m[2]
	}
	return c.Method + " " + c.Path
}

// print prints the numbers, and writes the table when a file is named.
func (m *faultMatrix) print(t *testing.T, took time.Duration) {
	var total tally
	var table strings.Builder
	fmt.Fprint(&table, "| call | cases | survived at once | failures |\n| --- | ---: | ---: | ---: |\n")
	for _, kind := range slices.Sorted(maps.Keys(m.kinds)) {
		k := m.kinds[kind]
		fmt.Fprintf(&table, "| `%s` | %d | %d | %d |\n", kind, k.cases, k.survived, k.failures)
		total.cases, total.failures, total.survived = total.cases+k.cases, total.failures+k.failures, total.survived+k.survived
	}
	fmt.Fprintf(&table, "| all | %d | %d | %d |\n", total.cases, total.survived, total.failures)
	t.Logf("faults: %d cases, %d failures, %d survived at once, %d never came, in %v\n%s", total.cases, total.failures, total.survived,
		m.missed, took.Round(time.Second), table.String())
	if path := os.Getenv("MIDAZ_FAULTS_TABLE"); path != "" {
		if err := os.WriteFile(path, []byte(table.String()), 0o644); err != nil {
			t.Error(err)
		}
	}
	if m.untried > 0 {
		t.Errorf("%d cases were not tried: the time of the test did not suffice", m.untried)
	}
	if total.cases == 0 || m.missed > total.cases/10 {
		t.Errorf("%d cases, and in %d more the call never came", total.cases, m.missed)
	}
}
