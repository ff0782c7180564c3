package docker

import (
	"slices"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// beside are the keys that a row needs next to it.
var beside = map[string]string{
	"memswap_limit":   "mem_limit: 64m\n",
	"cpu_period":      "cpu_quota: 5000\n",
	"depends_on":      "",
	"oom_score_adj":   "",
	"mem_reservation": "",
}

// withRow returns the fields of a service with one row set.
func withRow(key, value string) string {
	text := beside[key]
	if key != "image" && key != "build" {
		text += "image: app:1\n"
	}
	if value != "" {
		text += key + ": " + value + "\n"
	}
	if text == "" {
		text = "image: app:1\n"
	}
	return text
}

// apply makes the container of a resource in the model.
func (m *model) apply(t *testing.T, r *resources.Resource, status string) *resources.Observed {
	t.Helper()
	return m.observe(m.show(m.request(t, r), status), r)
}

func (m *model) request(t *testing.T, r *resources.Resource) *request {
	t.Helper()
	req, err := newRequest(r, m.facts())
	if err != nil {
		t.Fatal(err)
	}
	m.placed = map[string]any{}
	for _, f := range filesOf(r) {
		m.placed[f.Target] = f.value()
	}
	return req
}

var apis = []string{"1.41", "1.44", "1.51"}

// TestRows sets each row to its example: nothing differs afterwards. Then it is
// changed and removed: exactly this field differs, and costs what the table says.
func TestRows(t *testing.T) {
	for _, api := range apis {
		for i := range serviceRows {
			row := &serviceRows[i]
			if row.Since != "" && !dockerapi.AtLeast(api, row.Since) {
				continue
			}
			t.Run(api+"/"+row.Key, func(t *testing.T) { checkRow(t, newModel(api), row) })
		}
	}
}

// costly are rows whose removal costs more than their change.
func removalCost(key string, cost resources.Cost) resources.Cost {
	if slices.Contains(unremovable, key) {
		return resources.Remake
	}
	return cost
}

func checkRow(t *testing.T, m *model, row *row) {
	read := func(value string) *resources.Resource {
		r, ps := one(t, "service", withRow(row.Key, value))
		for _, p := range ps {
			if p.Rule == resources.RuleValue || p.Rule == resources.RuleShape || p.Rule == ruleTogether {
				t.Fatalf("%s: %v", value, p)
			}
		}
		return r
	}
	first, second, without := read(row.Example), read(row.Other), read("")
	for _, status := range []string{"created", "running", "exited"} {
		for _, r := range []*resources.Resource{first, second, without} {
			if delta := quiet(m.apply(t, r, status), r); len(delta) > 0 {
				t.Errorf("%s: differs after apply: %v", status, delta)
			}
		}
	}
	if row.seen == nil && row.Unmarked {
		return // not on the container
	}
	inspect := m.show(m.request(t, first), "running")
	expect := func(want *resources.Resource, cost resources.Cost) {
		t.Helper()
		delta := quiet(m.observe(inspect, want), want)
		if len(delta) == 0 {
			t.Fatalf("a change is not seen")
		}
		for _, d := range delta {
			if d.Field != row.Key && !(row.Key == "network_mode" && d.Field == "networks") {
				t.Errorf("field %s differs: %v", d.Field, d)
			}
			if !d.Pending || d.Drift {
				t.Errorf("%s: pending %v, drift %v; the spec was changed, the container not", d.Path, d.Pending, d.Drift)
			}
		}
		if delta.Cost() != cost {
			t.Errorf("cost %s, want %s: %v", delta.Cost(), cost, delta)
		}
	}
	if row.Key == "image" {
		return // a service needs one
	}
	cost := row.Cost
	if row.Key == "blkio_config" {
		cost = resources.InPlace // its weight
	}
	if row.Key == "files" { // `files` of other targets
		cost = resources.Remake
	}
	if !resources.Equal(second.Config[row.Key], nil) {
		expect(second, cost)
	}
	if row.Key == "networks" { // the container was created with the network that is left
		cost = resources.Remake
		expect(without, cost)
	} else {
		expect(without, removalCost(row.Key, row.Cost))
	}
	inspect = m.show(m.request(t, without), "running")
	if row.Open && len(quiet(m.observe(inspect, first), first)) == 0 {
		return // it is the engine's own choice
	}
	expect(first, cost)
}

// Values that the engine fills in from elsewhere, or shows in fewer words, are
// no difference.
func TestNoPhantoms(t *testing.T) {
	for _, api := range apis {
		for _, fields := range []string{
			"network_mode: container:peer",
			"restart: on-failure:0",
			"restart: on-failure:03",
			"labels: [a, b=c]",
		} {
			m := newModel(api)
			r, ps := one(t, "service", "image: app:1\n"+fields)
			if err := ps.Err(); err != nil {
				t.Errorf("%s: %v", fields, err)
				continue
			}
			c := m.show(m.request(t, r), "running")
			if delta := quiet(m.observe(c, r), r); len(delta) > 0 {
				t.Errorf("%s: %s: %v", api, fields, delta)
			}
		}
	}
}

// quiet compares without the running state.
func quiet(have *resources.Observed, want *resources.Resource) resources.Delta {
	return slices.DeleteFunc(containerKind{want.Addr.Kind}.Compare(want, have), func(d resources.Diff) bool { return d.Field == "state" })
}

// BenchmarkCompare reads and compares one container with common fields.
func BenchmarkCompare(b *testing.B) {
	m := newModel("1.41")
	node := "image: app:1\ncommand: [serve]\nenvironment: {A: b, C: d}\nports: [\"127.0.0.1:80:80\"]\nvolumes: " +
		"[\"data:/data\"]\nmem_limit: 64m\nhealthcheck: {test: x, interval: 5s}\nlabels: {a: b}"
	r := benchService(b, node)
	req, err := newRequest(r, m.facts())
	if err != nil {
		b.Fatal(err)
	}
	inspect := m.show(req, "running")
	for b.Loop() {
		if delta := (containerKind{"service"}).Compare(r, m.observe(inspect, r)); len(delta) > 0 {
			b.Fatal(delta)
		}
	}
}

// BenchmarkExposeAll has as many ports as there are.
func BenchmarkExposeAll(b *testing.B) {
	m := newModel("1.41")
	r := benchService(b, "image: app:1\nexpose: [1-65535]\nports: [\"127.0.0.1:1-65535:1-65535/udp\"]")
	for b.Loop() {
		req, err := newRequest(r, m.facts())
		if err != nil {
			b.Fatal(err)
		}
		if delta := quiet(m.observe(m.show(req, "running"), r), r); len(delta) > 0 {
			b.Fatal(len(delta))
		}
	}
}
