package render

import (
	"bufio"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
)

// gauges are the metrics of one drift run, for the text file collector of
// Prometheus' node exporter.
type gauges struct {
	strings.Builder
	stack string
}

// Metric is what the collector is told of a name.
type Metric struct{ Name, help string }

var (
	MetricDrift      = Metric{"midaz_drift_detected", "Whether something was changed outside since the last apply."}
	metricDrifted    = Metric{"midaz_drift_resources", "Resources that were changed outside, by kind and the action that brings them back."}
	metricPending    = Metric{"midaz_pending_changes", "Changes of the spec that were not applied yet, by action."}
	metricUnmanaged  = Metric{"midaz_unmanaged_resources", "Objects on the broker that are in no spec, by kind."}
	metricRuntime    = Metric{"midaz_unhealthy_resources", "Resources that do not run as they should, by kind."}
	metricUnknown    = Metric{"midaz_unknown_resources", "Resources that could not be read, so that they may have been changed, by kind."}
	MetricFirstSeen  = Metric{"midaz_drift_first_seen_timestamp_seconds", "When the drift that is there now was first seen; 0 without drift."}
	metricLastRun    = Metric{"midaz_last_run_timestamp_seconds", "When drift was last looked for."}
	MetricLastGood   = Metric{"midaz_last_success_timestamp_seconds", "When that last came to a result."}
	metricDuration   = Metric{"midaz_run_duration_seconds", "How long the last run took."}
	metricExitStatus = Metric{"midaz_run_exit_code",
		"Exit status of the last run: 0 no drift, 2 drift, 1 no result, or not everything could be read."}
	metricBuild = Metric{"midaz_build_info", "Version of the program that wrote this; its stack keeps the files of two stacks apart."}
)

// DriftRun is what one run of drift came to. found is nil when it came to no
// result.
type DriftRun struct {
	Stack string
	Found *engine.Drift
	Began time.Time
	Ended time.Time
	Exit  int
}

// DriftMetrics is the run as a text file. before is the file of the run before:
// from it come the times that outlast a run, and after a failure what was found.
func DriftMetrics(r DriftRun, before string) string {
	if r.Stack == "" { // the spec could not be read: the file is still that of its stack
		r.Stack = stackOf(before)
	}
	g := &gauges{stack: r.Stack}
	old := oldMetrics(before, r.Stack)
	switch {
	case r.Found == nil:
		g.kept(old, keptMetrics...)
	default:
		g.found(r, old)
	}
	g.one(metricLastRun, seconds(r.Ended))
	g.one(metricDuration, strconv.FormatFloat(r.Ended.Sub(r.Began).Seconds(), 'f', 3, 64))
	g.one(metricExitStatus, strconv.Itoa(r.Exit))
	g.head(metricBuild)
	fmt.Fprintf(g, "%s{stack=%s,version=%s} 1\n", metricBuild.Name, Label(g.stack), Label(report.Version))
	return g.String()
}

func (g *gauges) found(r DriftRun, old map[string][]string) {
	d := r.Found
	switch {
	case len(d.Changed) > 0:
		g.one(MetricDrift, "1")
		first := seconds(r.Ended)
		if was := valueOf(old[MetricFirstSeen.Name]); was != "" && was != "0" {
			first = was
		}
		g.one(MetricFirstSeen, first)
	case len(d.Unread) > 0: // whether there is drift is not known
		g.kept(old, MetricDrift, MetricFirstSeen)
	default:
		g.one(MetricDrift, "0")
		g.one(MetricFirstSeen, "0")
	}
	count := func(m Metric, changes []*engine.Change, labels func(c *engine.Change) string) {
		n := map[string]int{}
		for _, c := range changes {
			n[labels(c)]++
		}
		g.counts(m, n)
	}
	kind := func(c *engine.Change) string { return "kind=" + Label(c.Addr.Kind) }
	action := func(c *engine.Change) string { return "action=" + Label(string(c.Action)) }
	count(metricDrifted, d.Changed, func(c *engine.Change) string { return kind(c) + "," + action(c) })
	count(metricPending, d.Pending, action)
	count(metricRuntime, d.Runtime, kind)
	n := map[string]int{}
	for _, o := range d.Unmanaged {
		n["kind="+Label(o.Addr.Kind)]++
	}
	g.counts(metricUnmanaged, n)
	n = map[string]int{}
	for _, u := range d.Unread {
		n["kind="+Label(u.Addr.Kind)]++
	}
	g.counts(metricUnknown, n)
	if len(d.Unread) > 0 {
		g.kept(old, MetricLastGood)
		return
	}
	g.one(MetricLastGood, seconds(r.Ended))
}

// keptMetrics are those of what was found.
var keptMetrics = []Metric{MetricDrift, MetricFirstSeen, metricDrifted, metricPending, metricRuntime, metricUnmanaged, metricUnknown,
	MetricLastGood}

// kept repeats what the run before had found: that this one came to no result
// says nothing about it.
func (g *gauges) kept(old map[string][]string, metrics ...Metric) {
	for _, m := range metrics {
		if lines := old[m.Name]; len(lines) > 0 {
			g.head(m)
			for _, l := range lines {
				g.WriteString(l + "\n")
			}
		}
	}
}

func (g *gauges) head(m Metric) {
	fmt.Fprintf(g, "# HELP %s %s\n# TYPE %s gauge\n", m.Name, m.help, m.Name)
}

func (g *gauges) one(m Metric, value string) {
	g.head(m)
	fmt.Fprintf(g, "%s{stack=%s} %s\n", m.Name, Label(g.stack), value)
}

func (g *gauges) counts(m Metric, n map[string]int) {
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
		fmt.Fprintf(g, "%s{stack=%s,%s} %d\n", m.Name, Label(g.stack), k, n[k])
	}
}

// stackOf returns the stack that a file of ours tells of, "" for any other file.
func stackOf(text string) string {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, metricLastRun.Name+"{stack="); ok {
			if quoted, _, ok := strings.Cut(rest, "} "); ok {
				name, _ := strconv.Unquote(quoted)
				return name
			}
		}
	}
	return ""
}

// Label returns a quoted value of a label.
func Label(v string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(Clean(v)) + `"`
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// oldMetrics returns the lines of this stack in a file of ours, by name.
func oldMetrics(text, stack string) map[string][]string {
	out := map[string][]string{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		name, rest, ok := strings.Cut(line, "{")
		if !ok || strings.HasPrefix(line, "#") || !strings.HasPrefix(rest, "stack="+Label(stack)) {
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
