package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/engine"
)

// FuzzShow shows any bytes as a plan file. Nothing panics, nothing acts on the
// terminal, and the JSON form is JSON.
func FuzzShow(f *testing.F) {
	for _, change := range []string{
		`{"address":"box/a","action":"create","fields":[{"path":"size"}],"source":{"file":"a.yaml","line":3,"column":3},"gate":"ready","gate_timeout":60}`,
		`{"address":"box/a","action":"update","object":"1","fields":[{"path":"list.0","cost":"in place","drift":true}],"unchanged":2,"adopted":"nobody"}`,
		`{"address":"crate/a","action":"replace","mode":"swap","fields":[{"path":"a/b","cost":"replacement"}],"hazards":[{"code":"downtime","message":"x"}],"depends_on":["box/b"]}`,
		`{"address":"box/a","action":"delete","object":"1","leftover":"x","notes":["\u001b[2J"]}`,
		`{"address":"pipe/a","action":"ensure","unknown":"it does not answer"}`,
	} {
		f.Add([]byte(`{"format_version":"1.0","stack":"test","unknown":1,"options":{"Destroy":true},"changes":[` + change + `]}`))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		saved, err := engine.ParseSaved(data)
		if err != nil {
			return
		}
		p := saved.Plan()
		text := render.PlanText(p, cli.InkFor(io.Discard, fakeSystem().Env, false))
		if strings.ContainsAny(text, "\x1b\x07\b\r\x7f") {
			t.Errorf("the text acts on a terminal: %q", text)
		}
		if _, err := json.Marshal(render.PlanJSON(p, nil)); err != nil {
			t.Errorf("the JSON form: %v", err)
		}
	})
}
