//go:build e2e

package e2e

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
)

// sides are the two specs of a fault world. One apply brings it from either to
// the other, by every kind of step: networks, volumes, a service and topology
// are created and deleted, a service is changed in place, one is replaced by
// stopping first, one that was built by starting first, and a job runs.
var sides = [2]string{"left", "right"}

func faultSpec(side int, brokerAddress string) string {
	here, other := sides[side], sides[1-side]
	pick := func(left, right string) string { return []string{left, right}[side] }
	return fmt.Sprintf(`
		variables:
		  ADMIN_PASSWORD: { type: string, sensitive: true }
		networks: { n: {}, m: {}, only-%[1]s: {} }
		volumes: { data: {}, only-%[1]s: { protect: false } }
		services:
		  still: { image: TINY, networks: [n] }
		  swap:
		    image: TINY
		    restart: always
		    command: [serve, -body, %[1]s]
		    ports: ["127.0.0.1:PORT1:8080"]
		    networks: [n, m]
		    volumes: ["data:/data"]
		    files: [{ target: /tmp/side, content: "%[1]s" }]
		    gate: { http: { port: 8080 }, timeout: 20s }
		  beside:
		    image: STACK-built
		    build: { context: %[1]s }
		    networks: [n]
		    gate: { http: { port: 8080 }, timeout: 20s }
		  living: { image: TINY, networks: %[3]s, mem_limit: %[4]s, restart: %[5]s }
		  only-%[1]s:
		    image: TINY
		    networks: [n, only-%[1]s]
		    volumes: ["only-%[1]s:/data"]
		    depends_on: { swap: { condition: service_healthy } }
		    gate: { tcp: 8080, timeout: 20s }
		jobs:
		  once: { image: TINY, command: [say, %[1]s], networks: [n], depends_on: { swap: { condition: service_healthy } } }
		rabbitmq:
		  url: http://%[6]s
		  management: { username: %[7]s, password: "${ADMIN_PASSWORD}" }
		  users:
		    STACK-worker: { password: "password-%[1]s", tags: [monitoring] }
		    STACK-%[1]s: { password: "of-%[1]s", tags: [] }
		  vhosts:
		    STACK:
		      permissions: { STACK-worker: { configure: "", write: "^%[1]s$", read: ".*" } }
		      exchanges: { work: { type: direct, durable: true }, only-%[1]s: { type: fanout, durable: true } }
		      queues:
		        kept: { type: classic, durable: true }
		        only-%[1]s: { type: classic, durable: true }
		      bindings:
		        - { source: work, queue: kept, routing_key: kept }
		        - { source: work, queue: kept, routing_key: %[1]s }
		        - { source: only-%[1]s, queue: only-%[1]s }
		      policies:
		        limits: { pattern: "^kept$", apply_to: queues, definition: { max-length: %[8]s } }
		        only-%[1]s: { pattern: "^%[2]s$", apply_to: queues, definition: { max-length: 5 } }
		`, here, other, pick("[n]", "[n, m]"), pick("64m", "96m"), pick("always", "unless-stopped"), brokerAddress, brokerUser, pick("100", "200"))
}

// faultWorld is one stack that goes from side to side, with what others have
// beside it.
type faultWorld struct {
	*stack
	b       *broker
	side    int // whose spec holds now
	foreign *foreign
	before  string // of what is foreign
	history *history
}

// newFaultWorld applies the left side, and puts a row into its volume and
// others' objects beside it and into its vhost.
func newFaultWorld(t *testing.T, b *broker) *faultWorld {
	w := &faultWorld{stack: newStack(t, ""), b: b.front(t)}
	w.record()
	w.args = []string{"-var", "ADMIN_PASSWORD=" + brokerPassword}
	for _, side := range sides {
		w.write(side+"/Dockerfile", "FROM TINY\nCOPY side /tmp/side\n")
		w.write(side+"/side", side)
	}
	t.Cleanup(func() {
		removeImage(w.name + "-built")
		removeBuilt(w.name)
	})
	w.put(0)
	w.applyAll()
	w.foreign = newForeign(t, w.name+"-foreign", nil)
	w.b.call("PUT", "/api/vhosts/"+w.name+"-foreign", "")
	w.b.call("PUT", "/api/users/"+w.name+"-foreign", `{"password":"x","tags":"monitoring"}`)
	for _, vhost := range []string{w.name, w.name + "-foreign"} {
		w.b.call("PUT", "/api/queues/"+vhost+"/of.another", `{"durable":true}`)
		w.b.call("POST", "/api/exchanges/"+vhost+"/amq.default/publish",
			`{"properties":{"delivery_mode":2},"routing_key":"of.another","payload":"a message","payload_encoding":"string"}`)
	}
	w.b.call("POST", "/api/exchanges/"+w.name+"/amq.default/publish",
		`{"properties":{"delivery_mode":2},"routing_key":"kept","payload":"kept","payload_encoding":"string"}`)
	if code, out, err := execIn(w.name+"-swap", "/tiny", "append", "/data/row", "a row"); err != nil || code != 0 {
		t.Fatalf("write a row: %d %s %v", code, out, err)
	}
	w.before = w.others()
	w.history = watchHistory(t, w.name)
	return w
}

// put writes the spec of a side.
func (w *faultWorld) put(side int) {
	w.side = side
	w.write("midaz.infra.yaml", faultSpec(side, w.b.address))
}

func (w *faultWorld) applyAll() *result { return w.midaz(faultArgs...) }

// -parallelism 1 has the same calls in the same order each time.
var faultArgs = []string{"apply", "-auto-approve", "-allow", "data-loss", "-parallelism", "1"}

// front puts another proxy before the same broker.
func (b *broker) front(t *testing.T) *broker {
	t.Helper()
	out := &broker{t: t, base: b.base}
	out.Proxy, out.address = proxyTo(t, b.base)
	return out
}

// others describes what midaz must not touch, to the letter.
func (w *faultWorld) others() string {
	ctx := w.t.Context()
	var out strings.Builder
	for _, id := range []string{w.foreign.container, w.name + "-still"} {
		c, err := docker.ContainerInspect(ctx, id)
		if err != nil {
			fmt.Fprintln(&out, err)
			continue
		}
		host, _ := json.Marshal(c.HostConfig)
		fmt.Fprintln(&out, c.ID, c.Name, c.State.Status, c.State.StartedAt, c.RestartCount, string(host), c.Config.Labels)
		for _, n := range slices.Sorted(maps.Keys(c.NetworkSettings.Networks)) {
			fmt.Fprintln(&out, " ", n, c.NetworkSettings.Networks[n].EndpointID)
		}
	}
	n, err := docker.NetworkInspect(ctx, w.foreign.network, network.InspectOptions{})
	fmt.Fprintln(&out, n.ID, n.Name, n.Created, n.Labels, n.Options, err)
	v, err := docker.VolumeInspect(ctx, w.foreign.volume)
	fmt.Fprintln(&out, v.Name, v.Labels, v.Options, err)
	for _, vhost := range []string{w.name, w.name + "-foreign"} {
		fmt.Fprintln(&out, w.message(vhost, "of.another"))
	}
	fmt.Fprintln(&out, w.message(w.name, "kept"))
	fmt.Fprintln(&out, w.definitions(w.name+"-foreign"))
	_, user, err := w.b.try("GET", "/api/users/"+w.name+"-foreign", "")
	fmt.Fprintln(&out, user, err)
	fmt.Fprintln(&out, w.named("/api/vhosts"))
	return out.String()
}

// message looks at the first message of a queue and puts it back.
func (w *faultWorld) message(vhost, queue string) string {
	_, body, err := w.b.try("POST", "/api/queues/"+vhost+"/"+queue+"/get", `{"count":1,"ackmode":"ack_requeue_true","encoding":"auto"}`)
	var got []struct {
		Payload string `json:"payload"`
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &got)
	}
	return fmt.Sprintln(queue, got, err)
}

// named returns which names of a list of the broker begin with the stack's.
func (w *faultWorld) named(path string) []string {
	return slices.DeleteFunc(w.b.names(path), func(n string) bool { return !strings.HasPrefix(n, w.name) })
}

// definitions returns what a vhost has, one object a line, sorted.
func (w *faultWorld) definitions(vhost string) string {
	_, body, err := w.b.try("GET", "/api/definitions/"+vhost, "")
	var lists map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal([]byte(body), &lists)
	}
	if err != nil {
		return err.Error()
	}
	var lines []string
	for name, list := range lists {
		var all []any
		if json.Unmarshal(list, &all) != nil {
			continue // versions and names, which are the same anyway
		}
		for _, one := range all {
			line, _ := json.Marshal(one) // keys come sorted
			lines = append(lines, name+" "+string(line))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

var anyID = regexp.MustCompile(`\b[0-9a-f]{12}([0-9a-f]{52})?\b`)

// world describes everything of the stack, without what differs from one way
// to it to the next: IDs, names made of the stack's, ports of this machine,
// how often a container was replaced, and marks made with random keys.
func (w *faultWorld) world() string {
	ctx := w.t.Context()
	var lines []string
	add := func(kind string, v any) {
		data, err := json.Marshal(v)
		if err != nil {
			w.t.Fatal(err)
		}
		lines = append(lines, kind+" "+string(data))
	}
	own := filters.NewArgs(filters.Arg("label", "midaz.stack="+w.name))
	containers, err := docker.ContainerList(ctx, container.ListOptions{All: true, Filters: own})
	add("containers", map[string]any{"n": len(containers), "err": err})
	for _, s := range containers {
		c, err := docker.ContainerInspect(ctx, s.ID)
		if err != nil {
			add("container", err.Error())
			continue
		}
		networks := map[string]any{}
		for name, e := range c.NetworkSettings.Networks {
			networks[name] = sorted(slices.DeleteFunc(e.Aliases, func(a string) bool { return a == c.ID[:12] }))
		}
		slices.SortFunc(c.HostConfig.Mounts, func(a, b mount.Mount) int { return strings.Compare(a.Target, b.Target) })
		add("container "+c.Name, map[string]any{
			"image": c.Config.Image, "cmd": c.Config.Cmd, "env": sorted(c.Config.Env), "labels": ownLabels(c.Config.Labels),
			"state": c.State.Status, "exit": c.State.ExitCode, "restart": c.HostConfig.RestartPolicy, "memory": c.HostConfig.Memory,
			"ports": c.HostConfig.PortBindings, "mounts": c.HostConfig.Mounts, "networks": networks,
		})
	}
	networks, err := docker.NetworkList(ctx, network.ListOptions{Filters: own})
	add("networks", err)
	for _, n := range networks {
		add("network "+n.Name, []any{n.Driver, n.Internal, n.Options, ownLabels(n.Labels)})
	}
	volumes, err := docker.VolumeList(ctx, volume.ListOptions{Filters: own})
	add("volumes", err)
	records := 0
	for _, v := range volumes.Volumes {
		if v.Labels["midaz.record.content"] != "" {
			records++
			continue // it counts the runs that wrote, and holds IDs and marks
		}
		add("volume "+v.Name, []any{v.Driver, v.Options, ownLabels(v.Labels)})
	}
	add("records", records)
	locks, err := docker.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "midaz.lock="+w.name))})
	add("locks", map[string]any{"n": len(locks.Volumes), "err": err})
	for _, file := range [][2]string{{"swap", "/data/row"}, {"swap", "/tmp/side"}, {"beside", "/tmp/side"}} {
		add("file "+file[0]+file[1], w.file(w.name+"-"+file[0], file[1]))
	}
	lines = append(lines, w.topology()...)
	slices.Sort(lines)
	text := strings.NewReplacer(w.name, "STACK", fmt.Sprint(w.port("PORT1")), "PORT1").Replace(strings.Join(lines, "\n"))
	return anyID.ReplaceAllString(text, "ID")
}

// topology describes the stack's part of the broker.
func (w *faultWorld) topology() []string {
	lines := strings.Split(w.definitions(w.name), "\n")
	for _, path := range []string{"/api/vhosts/" + w.name + "/permissions", "/api/vhost-limits/" + w.name} {
		_, body, err := w.b.try("GET", path, "")
		lines = append(lines, fmt.Sprintln("topology", path, body, err))
	}
	lines = append(lines, fmt.Sprint("users ", w.named("/api/users")))
	for _, side := range sides {
		req, _ := http.NewRequest("GET", w.b.base+"/api/whoami", nil)
		req.SetBasicAuth(w.name+"-worker", "password-"+side)
		if res, err := http.DefaultClient.Do(req); err != nil {
			lines = append(lines, "login "+err.Error())
		} else {
			res.Body.Close()
			lines = append(lines, fmt.Sprint("login with the password of ", side, ": ", res.StatusCode))
		}
	}
	_, body, err := w.b.try("GET", "/api/global-parameters/midaz."+w.name, "")
	var ledger struct {
		Value struct {
			Objects map[string]any `json:"objects"`
		} `json:"value"`
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &ledger)
	}
	return append(lines, fmt.Sprint("ledger ", slices.Sorted(maps.Keys(ledger.Value.Objects)), err))
}

// ownLabels leaves out marks that are different each time.
func ownLabels(labels map[string]string) map[string]string {
	out := maps.Clone(labels)
	for _, name := range []string{"midaz.spec", "midaz.gen", "midaz.replaces", "midaz.build", "midaz.made"} {
		delete(out, name)
	}
	return out
}

// file returns the content of a file of a container.
func (w *faultWorld) file(name, path string) string {
	r, _, err := docker.CopyFromContainer(w.t.Context(), name, path)
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	archive := tar.NewReader(r)
	if _, err := archive.Next(); err != nil {
		return err.Error()
	}
	data, err := io.ReadAll(archive)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// history is what happened to the containers of a stack, as the engine told it.
type history struct {
	mu     sync.Mutex
	events []events.Message
}

func watchHistory(t *testing.T, stack string) *history {
	h := &history{}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	began := time.Now()
	messages, errs := docker.Events(ctx, events.ListOptions{
		Since: fmt.Sprintf("%d.%09d", began.Unix(), began.Nanosecond()),
		Filters: filters.NewArgs(filters.Arg("type", "container"), filters.Arg("label", "midaz.stack="+stack),
			filters.Arg("event", "create"), filters.Arg("event", "start"), filters.Arg("event", "die"), filters.Arg("event", "kill"),
			filters.Arg("event", "destroy")),
	})
	go func() {
		for {
			select {
			case m := <-messages:
				h.mu.Lock()
				h.events = append(h.events, m)
				h.mu.Unlock()
			case err := <-errs:
				if ctx.Err() == nil {
					t.Errorf("the engine's events: %v", err)
				}
				return
			}
		}
	}()
	return h
}

// since returns what happened to one address after the first n events of the stack.
func (h *history) since(n int, address string) []events.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.events[n:]), func(m events.Message) bool { return m.Actor.Attributes["midaz.address"] != address })
}

func (h *history) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.events)
}

// gap returns for how long in all no container of the address ran, given the
// one that ran before the first event, and what it saw happen.
func gap(first string, happened []events.Message) (time.Duration, string) {
	running := map[string]bool{first: true}
	var total time.Duration
	var down int64
	var story strings.Builder
	for _, m := range happened {
		was := len(running)
		switch m.Action {
		case events.ActionStart:
			running[m.Actor.ID] = true
		case events.ActionDie:
			delete(running, m.Actor.ID)
		}
		if was > 0 && len(running) == 0 {
			down = m.TimeNano
		}
		if was == 0 && len(running) > 0 {
			total += time.Duration(m.TimeNano - down)
		}
		fmt.Fprintf(&story, "%s %s %s %s\n", time.Unix(0, m.TimeNano).Format("05.000"), m.Action, m.Actor.Attributes["name"], m.Actor.ID[:6])
	}
	if len(running) == 0 {
		total += time.Since(time.Unix(0, down))
	}
	return total, story.String()
}
