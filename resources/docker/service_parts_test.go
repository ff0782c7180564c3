package docker

import (
	"cmp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// partValues are values of rows for parts that do not stand alone: with the
// part's example, with another value, and without the part.
var partValues = map[string][3]string{
	"healthcheck.start_interval": {"{start_period: 5s, start_interval: 1s}", "{start_period: 5s, start_interval: 2s}", "{start_period: 5s}"},
	"healthcheck.disable":        {"{disable: true}", "{disable: false}", ""},
	"volumes.type":               {"[{type: tmpfs, target: /data}]", "[{type: volume, target: /data}]", ""},
	"volumes.source":             {"[{source: data, target: /data}]", "[{source: /srv/data, target: /data}]", "[{target: /data}]"},
	"volumes.bind": {"[{type: bind, source: /srv, target: /data, bind: {propagation: rslave}}]",
		"[{type: bind, source: /srv, target: /data, bind: {recursive: disabled}}]", "[{type: bind, source: /srv, target: /data}]"},
	"volumes.tmpfs": {"[{type: tmpfs, target: /data, tmpfs: {size: 64m}}]", "[{type: tmpfs, target: /data, tmpfs: {mode: \"0700\"}}]",
		"[{type: tmpfs, target: /data}]"},
	"files.content":  {"[{content: one, target: /etc/one}]", "[{content: two, target: /etc/one}]", ""},
	"files.target":   {"[{content: one, target: /etc/one}]", "[{content: one, target: /etc/two}]", ""},
	"files.template": {"", "", ""}, // for sources
	"files.source":   {"", "", ""}, // it is read from a file
}

func partTexts(t *testing.T, row *row, p resources.Part) (out [3]string) {
	t.Helper()
	name := row.Key + "." + p.Path
	if texts, ok := partValues[name]; ok {
		return texts
	}
	write := func(text string) string {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		data, err := yaml.Marshal(p.Write(v))
		if err != nil {
			t.Fatal(err)
		}
		text = strings.TrimSpace(string(data))
		switch group, _, _ := strings.Cut(p.Path, "."); {
		case row.Key == "volumes" && (group == "bind" || group == "volume" || group == "tmpfs"):
			text += "\n  type: " + group
			if group != "tmpfs" {
				text += "\n  source: " + map[string]string{"bind": "/srv", "volume": "data"}[group]
			}
		case row.Key == "files":
			text += "\n  content: one"
		}
		return "\n  " + strings.ReplaceAll(text, "\n", "\n  ")
	}
	out = [3]string{write(p.Field.Example), write(p.Field.Other)}
	if !p.Field.Required {
		out[2] = write("")
	}
	return out
}

// TestParts sets, changes and removes each key inside a row, as TestRows does
// with rows: exactly this row differs, at what the key's own row says.
func TestParts(t *testing.T) {
	for _, api := range apis {
		for i := range serviceRows {
			row := &serviceRows[i]
			if row.seen == nil && row.Unmarked {
				continue // not on the container
			}
			for _, p := range row.Field.Parts("infra") {
				if since := cmp.Or(p.Field.Since, row.Since); since != "" && !dockerapi.AtLeast(api, since) {
					continue
				}
				t.Run(api+"/"+row.Key+"."+p.Path, func(t *testing.T) { checkPart(t, newModel(api), row, p) })
			}
		}
	}
}

func checkPart(t *testing.T, m *model, row *row, p resources.Part) {
	texts := partTexts(t, row, p)
	if texts[0] == "" {
		return
	}
	var rs [3]*resources.Resource
	for i, text := range texts {
		r, ps := one(t, "service", withRow(row.Key, text))
		for _, problem := range ps {
			if problem.Rule == resources.RuleValue || problem.Rule == resources.RuleShape || problem.Rule == ruleTogether {
				t.Fatalf("%s: %v", text, problem)
			}
		}
		rs[i] = r
	}
	for _, status := range []string{"created", "running", "exited"} {
		for i, r := range rs {
			if delta := quiet(m.apply(t, r, status), r); len(delta) > 0 {
				t.Errorf("%s: differs after apply: %s%v", status, texts[i], delta)
			}
		}
	}
	inspect := m.show(m.request(t, rs[0]), "running")
	for i, want := range rs[1:] {
		if resources.Equal(rs[0].Config[row.Key], want.Config[row.Key]) && !p.Field.Unmarked {
			t.Errorf("it means the same as the value before: %s%s", texts[0], texts[i+1])
		}
		delta := quiet(m.observe(inspect, want), want)
		if p.Field.Unmarked {
			if len(delta) > 0 {
				t.Errorf("it is to change nothing: %v", delta)
			}
			continue
		}
		if len(delta) == 0 {
			t.Errorf("a change is not seen: %s -> %s", texts[0], texts[i+1])
		}
		for _, d := range delta {
			if d.Field != row.Key || !d.Pending || d.Drift {
				t.Errorf("%s: pending %v, drift %v", d.Path, d.Pending, d.Drift)
			}
		}
		if i == 0 && delta.Cost() != p.Cost(row.Cost) {
			t.Errorf("it costs %s, the table says %s: %v", delta.Cost(), p.Cost(row.Cost), delta)
		}
	}
	if texts[2] == "" || p.Field.Unmarked {
		return
	}
	inspect = m.show(m.request(t, rs[2]), "running")
	delta := quiet(m.observe(inspect, rs[0]), rs[0])
	if len(delta) == 0 && !row.Open { // else it may be the engine's own choice
		t.Errorf("it is not seen when it is new: %s", texts[0])
	}
	for _, d := range delta {
		if d.Field != row.Key || !d.Pending || d.Drift {
			t.Errorf("new: %s: %v -> %v, pending %v, drift %v", d.Path, d.Before, d.After, d.Pending, d.Drift)
		}
	}
}
