package docker

import (
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// healthRows is the health check.
var healthRows = []row{{
	Field: resources.Field{Key: "healthcheck", Type: healthType, Cost: resources.Remake,
		Doc:     "How the engine tells whether the service works. Parts that are not given come from the image.",
		Example: "{test: [CMD-SHELL, pg_isready], interval: 10s, timeout: 5s, retries: 5, start_period: 20s}",
		Other:   "{test: curl -f http://localhost/, interval: 5s}"},
	send: func(d *draft, v resources.Value) { d.config.Healthcheck = healthConfig(resources.Config(mapOf(v))) },
	seen: seenHealthcheck,
}}

var healthType = resources.Object{
	What: "a health check",
	Fields: []resources.Field{
		{Key: "test", Type: healthTest{}, Example: "[CMD, pg_isready]", Other: "curl -f http://localhost/",
			Doc: "The command: a list that begins with CMD, CMD-SHELL or NONE, or one text for the shell. It must fail when the service does not " +
				"work."},
		{Key: "interval", Type: resources.Duration(), Example: "10s", Other: "30s",
			Doc: "Time between two checks; the engine takes 30s when nothing is given."},
		{Key: "timeout", Type: resources.Duration(), Example: "5s", Other: "30s",
			Doc: "How long one check may take; the engine takes 30s when nothing is given."},
		{Key: "retries", Type: resources.Int(0, 1_000_000), Example: "5", Other: "3",
			Doc: "How many failures in a row make it unhealthy; the engine takes 3 when nothing is given."},
		{Key: "start_period", Type: resources.Duration(), Example: "20s", Other: "1m", Doc: "Time to start, in which failures do not count."},
		{Key: "start_interval", Type: resources.Duration(), Example: "1s", Other: "2s", Since: "1.44",
			Doc: "Time between two checks while starting. It does nothing without `start_period`."},
		{Key: "disable", Type: resources.Bool(), Example: "true", Other: "false", Doc: "Turns the image's health check off."},
	},
	Finish: finishHealth,
}

func finishHealth(v map[string]any) error {
	if v["disable"] == true {
		if len(v) > 1 {
			return errors.New("`disable: true` leaves nothing for the other keys to do")
		}
		v["test"] = []any{"NONE"}
	}
	delete(v, "disable")
	drop(v, map[string]any{"interval": "0s", "timeout": "0s", "retries": int64(0), "start_period": "0s", "start_interval": "0s"})
	for _, k := range []string{"interval", "timeout", "start_period", "start_interval"} {
		if d := resources.ParseDuration(v[k]); v[k] != nil && d < time.Millisecond {
			return fmt.Errorf("%s must be at least 1ms", k)
		}
	}
	return nil
}

// healthTest is a check: a list beginning with CMD, CMD-SHELL or NONE, or one
// text for the shell.
type healthTest struct{}

// Schema allows both forms.
func (healthTest) Schema() resources.Schema {
	return resources.Schema{"oneOf": []any{
		resources.Schema{"type": "string"},
		resources.Schema{"type": "array", "items": resources.Schema{"type": []any{"string", "number", "boolean"}}, "minItems": 1},
	}}
}

// Decode returns the list form.
func (healthTest) Decode(n specs.Node, report resources.Report) (resources.Value, bool) {
	if n.IsScalar() {
		if n.Text() == "" {
			bad(n, "a command", report)
			return nil, false
		}
		return []any{"CMD-SHELL", textOf(n, n.Text())}, true
	}
	v, ok := resources.List(resources.String()).Decode(n, report)
	if !ok {
		return nil, false
	}
	list, _ := v.([]any)
	word := ""
	if len(list) > 0 {
		word = resources.Text(list[0])
	}
	wrong := ""
	switch {
	case word != "CMD" && word != "CMD-SHELL" && word != "NONE":
		wrong = "a list that begins with CMD, CMD-SHELL or NONE"
	case word == "CMD" && len(list) < 2:
		wrong = "a command after CMD"
	case word == "CMD-SHELL" && len(list) != 2:
		wrong = "one text after CMD-SHELL"
	case word == "NONE" && len(list) != 1:
		wrong = "nothing after NONE"
	default:
		return v, true
	}
	at := n
	if len(n.Items()) > 0 {
		at = n.Items()[0]
	}
	report(resources.RuleValue.At(at.Pos(), "expected "+wrong, "write the check as a text, or as [CMD, program, argument]"))
	return nil, false
}

func healthConfig(v resources.Config) *container.HealthConfig {
	return &container.HealthConfig{
		Test:     v.Texts("test"),
		Interval: resources.ParseDuration(v["interval"]), Timeout: resources.ParseDuration(v["timeout"]),
		StartPeriod: resources.ParseDuration(v["start_period"]), StartInterval: resources.ParseDuration(v["start_interval"]),
		Retries: int(v.Int("retries")),
	}
}

// healthValue is the canonical form of a check as the engine shows it.
func healthValue(h *container.HealthConfig) map[string]any {
	out := map[string]any{}
	if h == nil {
		return out
	}
	if len(h.Test) > 0 {
		out["test"] = listOf(h.Test)
	}
	for k, d := range map[string]time.Duration{"interval": h.Interval, "timeout": h.Timeout, "start_period": h.StartPeriod,
		"start_interval": h.StartInterval} {
		if d != 0 {
			out[k] = resources.ShowDuration(d)
		}
	}
	if h.Retries != 0 {
		out["retries"] = int64(h.Retries)
	}
	return out
}

// seenHealthcheck leaves out each part that is the image's and not declared:
// the engine merges part by part.
func seenHealthcheck(s *sight) resources.Value {
	have, declared, before := healthValue(s.c.Config.Healthcheck), mapOf(s.config()["healthcheck"]), mapOf(s.before("healthcheck"))
	var image map[string]any
	if s.image != nil {
		image = healthValue(s.image.Healthcheck)
	}
	for k, v := range have {
		p := part{v: v, filled: image[k], known: s.image != nil}
		p.want, p.declared = declared[k]
		_, p.applied = before[k]
		if p.isNatural() {
			delete(have, k)
		}
	}
	if len(have) == 0 {
		return nil
	}
	return have
}
