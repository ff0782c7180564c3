package main

import (
	"bufio"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/engine"
)

// gauges are the metrics of one drift run, for the text file collector of
// Prometheus' node exporter.
type gauges struct {
	strings.Builder
	stack string
}

// metric is what the collector is told of a name.
type metric struct{ name, help string }

var (
	metricDrift      = metric{"midaz_drift_detected", "Whether something was changed outside since the last apply."}
	metricDrifted    = metric{"midaz_drift_resources", "Resources that were changed outside, by kind and the action that brings them back."}
	metricPending    = metric{"midaz_pending_changes", "Changes of the spec that were not applied yet, by action."}
	metricUnmanaged  = metric{"midaz_unmanaged_resources", "Objects on the broker that are in no spec, by kind."}
	metricRuntime    = metric{"midaz_unhealthy_resources", "Resources that do not run as they should, by kind."}
	metricUnknown    = metric{"midaz_unknown_resources", "Resources that could not be read, so that they may have been changed, by kind."}
	metricFirstSeen  = metric{"midaz_drift_first_seen_timestamp_seconds", "When the drift that is there now was first seen; 0 without drift."}
	metricLastRun    = metric{"midaz_last_run_timestamp_seconds", "When drift was last looked for."}
	metricLastGood   = metric{"midaz_last_success_timestamp_seconds", "When that last came to a result."}
	metricDuration   = metric{"midaz_run_duration_seconds", "How long the last run took."}
	metricExitStatus = metric{"midaz_run_exit_code", "Exit status of the last run: 0 no drift, 2 drift, 1 no result, or not everything could be read."}
	metricBuild      = metric{"midaz_build_info", "Version of the program that wrote this; its stack keeps the files of two stacks apart."}
)

// driftRun is what one run of drift came to. found is nil when it came to no
// result.
type driftRun struct {
	stack string
	found *drift
	began time.Time
	ended time.Time
	exit  int
}

// driftMetrics is the run as a text file. before is the file of the run before:
// from it come the times that outlast a run, and after a failure what was found.
func driftMetrics(r driftRun, before string) string {
	if r.stack == "" { // the spec could not be read: the file is still that of its stack
		r.stack = stackOf(before)
	}
	g := &gauges{stack: r.stack}
	old := oldMetrics(before, r.stack)
	switch {
	case r.found == nil:
		g.kept(old, keptMetrics...)
	default:
		g.found(r, old)
	}
	g.one(metricLastRun, seconds(r.ended))
	g.one(metricDuration, strconv.FormatFloat(r.ended.Sub(r.began).Seconds(), 'f', 3, 64))
	g.one(metricExitStatus, strconv.Itoa(r.exit))
	g.head(metricBuild)
	fmt.Fprintf(g, "%s{stack=%s,version=%s} 1\n", metricBuild.name, label(g.stack), label(version))
	return g.String()
}

func (g *gauges) found(r driftRun, old map[string][]string) {
	d := r.found
	switch {
	case len(d.changed) > 0:
		g.one(metricDrift, "1")
		first := seconds(r.ended)
		if was := valueOf(old[metricFirstSeen.name]); was != "" && was != "0" {
			first = was
		}
		g.one(metricFirstSeen, first)
	case len(d.unread) > 0: // whether there is drift is not known
		g.kept(old, metricDrift, metricFirstSeen)
	default:
		g.one(metricDrift, "0")
		g.one(metricFirstSeen, "0")
	}
	count := func(m metric, changes []*engine.Change, labels func(c *engine.Change) string) {
		n := map[string]int{}
		for _, c := range changes {
			n[labels(c)]++
		}
		g.counts(m, n)
	}
	kind := func(c *engine.Change) string { return "kind=" + label(c.Addr.Kind) }
	action := func(c *engine.Change) string { return "action=" + label(string(c.Action)) }
	count(metricDrifted, d.changed, func(c *engine.Change) string { return kind(c) + "," + action(c) })
	count(metricPending, d.pending, action)
	count(metricRuntime, d.runtime, kind)
	n := map[string]int{}
	for _, o := range d.unmanaged {
		n["kind="+label(o.Addr.Kind)]++
	}
	g.counts(metricUnmanaged, n)
	n = map[string]int{}
	for _, u := range d.unread {
		n["kind="+label(u.Addr.Kind)]++
	}
	g.counts(metricUnknown, n)
	if len(d.unread) > 0 {
		g.kept(old, metricLastGood)
		return
	}
	g.one(metricLastGood, seconds(r.ended))
}

// keptMetrics are those of what was found.
var keptMetrics = []metric{metricDrift, metricFirstSeen, metricDrifted, metricPending, metricRuntime, metricUnmanaged, metricUnknown, metricLastGood}

// kept repeats what the run before had found: that this one came to no result
// says nothing about it.
func (g *gauges) kept(old map[string][]string, metrics ...metric) {
	for _, m := range metrics {
		if lines := old[m.name]; len(lines) > 0 {
			g.head(m)
			for _, l := range lines {
				g.WriteString(l + "\n")
			}
		}
	}
}

func (g *gauges) head(m metric) {
	fmt.Fprintf(g, "# HELP %s %s\n# TYPE %s gauge\n", m.name, m.help, m.name)
}

func (g *gauges) one(m metric, value string) {
	g.head(m)
	fmt.Fprintf(g, "%s{stack=%s} %s\n", m.name, label(g.stack), value)
}

func (g *gauges) counts(m metric, n map[string]int) {
	if len(n) == 0 {
		return
	}
	g.head(m)
	var keys []string
	for k := range n {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		fmt.Fprintf(g, "%s{stack=%s,%s} %d\n", m.name, label(g.stack), k, n[k])
	}
}

// stackOf returns the stack that a file of ours tells of, "" for any other file.
func stackOf(text string) string {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, metricLastRun.name+"{stack="); ok {
			if quoted, _, ok := strings.Cut(rest, "} "); ok {
				name, _ := strconv.Unquote(quoted)
				return name
			}
		}
	}
	return ""
}

// label returns a quoted value of a label.
func label(v string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(clean(v)) + `"`
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// oldMetrics returns the lines of this stack in a file of ours, by name.
func oldMetrics(text, stack string) map[string][]string {
	out := map[string][]string{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		name, rest, ok := strings.Cut(line, "{")
		if !ok || strings.HasPrefix(line, "#") || !strings.HasPrefix(rest, "stack="+label(stack)) {
			continue
		}
		out[name] = append(out[name], line)
	}
	return out
}

// valueOf returns the value of the only line.
func valueOf(lines []string) string {
	if len(lines) != 1 {
		return ""
	}
	_, value, _ := strings.Cut(lines[0], "} ")
	if _, err := strconv.ParseFloat(value, 64); err != nil {
		return ""
	}
	return value
}
