package docker

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
)

const (
	defaultGateTimeout = 2 * time.Minute
	defaultJobTimeout  = 10 * time.Minute
	defaultStableFor   = time.Second
)

// gateSpec is when a service counts as ready. All conditions that are set must
// hold at the same time.
type gateSpec struct {
	// Auto: the spec has neither a gate nor a health check. A container whose
	// image has a health check must become healthy, any other must run for
	// StableFor.
	Auto bool
	// Tuned: the spec says how often the image's own health check runs.
	Tuned   bool
	Healthy bool
	TCP     []tcpProbe
	HTTP    *httpProbe
	Exec    []string
	Log     string // regular expression
	// StableFor is how long it must run with an unchanged restart count.
	StableFor time.Duration
	Timeout   time.Duration
	// FailFast ends the wait at the first exit or the verdict "unhealthy".
	// Without it they are waited through until Timeout.
	FailFast bool
	// Completed: a job. It is ready when it has exited with 0.
	Completed bool
}

// tcpProbe is a port that must accept connections. An empty Host is the
// container itself.
type tcpProbe struct {
	Host string
	Port int
}

// String returns "host:port".
func (p tcpProbe) String() string {
	if p.Port == 0 { // masked
		return p.Host
	}
	return net.JoinHostPort(p.Host, strconv.Itoa(p.Port))
}

// httpProbe is a request that must be answered. An empty Host is the container
// itself.
type httpProbe struct {
	Scheme string // "http" or "https", whose certificate is not verified
	Host   string
	Port   int
	Path   string
	Status []int  // those that pass; none means 200 to 399
	Body   string // regular expression the body must match, "" for any
}

// gateConditions are the keys of a gate that say when a service is ready. One
// that is written counts, whatever its value: `stable_for: 0s` is ready as soon
// as it runs.
var gateConditions = []string{"healthy", "tcp", "http", "exec", "log", "stable_for"}

// gateOf returns the gate of a service or job.
func gateOf(r *resources.Resource) gateSpec {
	v := resources.Config(r.Config.Map("gate"))
	g := gateSpec{
		Healthy: v.Bool("healthy"), Exec: v.Texts("exec"), Log: v.Text("log"),
		StableFor: resources.ParseDuration(v["stable_for"]), Timeout: resources.ParseDuration(v["timeout"]),
		FailFast: v.Text("mode") != "eventual", Completed: r.Addr.Kind == "job",
	}
	for _, text := range v.Texts("tcp") {
		host, port, _ := net.SplitHostPort(text)
		n, _ := strconv.Atoi(port)
		g.TCP = append(g.TCP, tcpProbe{Host: host, Port: n})
	}
	if h := resources.Config(v.Map("http")); len(h) > 0 {
		p := &httpProbe{Scheme: h.Text("scheme"), Host: h.Text("host"), Port: int(h.Int("port")), Path: h.Text("path"), Body: h.Text("body")}
		for _, s := range h.List("status") {
			if code, ok := s.(int64); ok {
				p.Status = append(p.Status, int(code))
			}
		}
		g.HTTP = p
	}
	if g.Timeout == 0 {
		g.Timeout = defaultGateTimeout
		if g.Completed {
			g.Timeout = defaultJobTimeout
		}
	}
	if g.Completed {
		return g
	}
	_, timed := v["stable_for"]
	if isStated := slices.ContainsFunc(gateConditions, func(key string) bool { return v[key] != nil }); isStated {
		// The spec rules the health check out and names nothing else.
		if !g.Healthy && g.TCP == nil && g.HTTP == nil && len(g.Exec) == 0 && g.Log == "" && !timed {
			g.StableFor = defaultStableFor
		}
	} else {
		switch test := resources.Config(r.Config.Map("healthcheck")).Texts("test"); {
		case len(test) == 0: // the image may have one
			g.Auto, g.StableFor, g.Tuned = true, defaultStableFor, len(r.Config.Map("healthcheck")) > 0
		case test[0] == "NONE":
			g.StableFor = defaultStableFor
		default:
			g.Healthy = true
		}
	}
	return g
}

// masked returns the gate with each text that is marked as a secret in its place
// masked: what is shown of it may be shortened before a redactor sees it.
func (g gateSpec) masked(v resources.Config) gateSpec {
	hide := func(v resources.Value, text *string) {
		if _, ok := v.(resources.Secret); ok {
			*text = resources.Masked
		}
	}
	hide(v["log"], &g.Log)
	g.Exec = slices.Clone(g.Exec)
	for i, e := range v.List("exec") {
		hide(e, &g.Exec[i])
	}
	g.TCP = slices.Clone(g.TCP)
	for i, e := range v.List("tcp") {
		if _, ok := e.(resources.Secret); ok {
			g.TCP[i] = tcpProbe{Host: resources.Masked}
		}
	}
	if g.HTTP != nil {
		p, h := *g.HTTP, v.Map("http")
		hide(h["host"], &p.Host)
		hide(h["path"], &p.Path)
		g.HTTP = &p
	}
	return g
}

// isMetByRunning reports whether the gate passes as soon as the container runs.
func (g gateSpec) isMetByRunning() bool {
	return !g.Healthy && !g.Auto && !g.Completed && len(g.TCP) == 0 && g.HTTP == nil && len(g.Exec) == 0 && g.Log == "" && g.StableFor <= 0
}

// text returns the gate on one line for people.
func (g gateSpec) text() string {
	if g.Completed {
		return "exits with 0"
	}
	if g.Tuned {
		return "healthy, by the image's health check"
	}
	if g.Auto {
		return "healthy, or running for " + resources.ShowDuration(g.StableFor) + " without a health check"
	}
	var parts []string
	if g.Healthy {
		parts = append(parts, "healthy")
	}
	for _, p := range g.TCP {
		parts = append(parts, "tcp "+p.String())
	}
	if g.HTTP != nil {
		parts = append(parts, "http "+net.JoinHostPort(g.HTTP.Host, strconv.Itoa(g.HTTP.Port))+g.HTTP.Path)
	}
	if len(g.Exec) > 0 {
		parts = append(parts, "exec "+g.Exec[0])
	}
	if g.Log != "" {
		parts = append(parts, "log /"+g.Log+"/")
	}
	if g.StableFor > 0 {
		parts = append(parts, "stable for "+resources.ShowDuration(g.StableFor))
	}
	if g.isMetByRunning() {
		return "running"
	}
	return strings.Join(slices.Compact(parts), ", ")
}
