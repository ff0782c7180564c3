package docker

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
)

// A range of ports stays a range: in plans, in labels, and in what is compared.
// Ports that follow each other and are published alike are one entry, however they
// were written, so that the spec and the engine arrive at the same text. A pair
// stays two entries; it is rarely meant as a range.
const shortestRange = 3

// joinPorts returns the canonical value of `ports`: from the container's port or
// range ("5432/tcp", "1000-1999/udp") to a set of places on the host. Behind a range
// a place is a range of the same length, port by port ("5000-5999"), or "0".
func joinPorts(places map[string][]string) map[string]any {
	sets := map[string][]string{}
	for key, list := range places {
		sets[key] = resources.Texts(setOf(list))
	}
	out := map[string]any{}
	for _, run := range portRuns(slices.Collect(maps.Keys(sets)), func(port, next string) bool {
		return !slices.ContainsFunc(sets[port], isAnyOfRange) && slices.Equal(resources.Texts(setOf(shifted(sets[port], 1))), sets[next])
	}) {
		set := sets[run.key(run.first)]
		if n := run.last - run.first; n > 0 {
			set = slices.Clone(set)
			for i := range set {
				set[i] = widened(set[i], n)
			}
		}
		out[run.String()] = setOf(set)
	}
	return out
}

// splitPorts is the inverse of joinPorts: each port by itself.
func splitPorts(ports map[string]any) map[string][]string {
	out := map[string][]string{}
	for text, set := range ports {
		run, ok := parsePortRun(text)
		if !ok || run.first == run.last {
			out[text] = resources.Texts(set)
			continue
		}
		first := resources.Texts(set)
		for i := range first {
			first[i] = narrowed(first[i])
		}
		for p := run.first; p <= run.last; p++ {
			out[run.key(p)] = shifted(first, p-run.first)
		}
	}
	return out
}

// joinExposed returns the canonical value of `expose`: a set of ports and ranges.
func joinExposed(ports []string) resources.Value {
	var out []string
	for _, run := range portRuns(ports, func(string, string) bool { return true }) {
		out = append(out, run.String())
	}
	return setOf(out)
}

// splitExposed is the inverse of joinExposed.
func splitExposed(v resources.Value) []string {
	var out []string
	for _, text := range resources.Texts(v) {
		run, ok := parsePortRun(text)
		if !ok {
			out = append(out, text)
			continue
		}
		for p := run.first; p <= run.last; p++ {
			out = append(out, run.key(p))
		}
	}
	return out
}

// portRun is the ports from first to last of a protocol. A key that is no port is
// kept as other.
type portRun struct {
	first, last int
	proto       string
	other       string
}

func (r portRun) key(port int) string {
	if r.other != "" {
		return r.other
	}
	return strconv.Itoa(port) + "/" + r.proto
}

func (r portRun) String() string {
	if r.first == r.last {
		return r.key(r.first)
	}
	return strconv.Itoa(r.first) + "-" + r.key(r.last)
}

func parsePortRun(text string) (portRun, bool) {
	ports, proto, _ := strings.Cut(text, "/")
	from, to, isRange := strings.Cut(ports, "-")
	if !isRange {
		to = from
	}
	first, err1 := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	if err1 != nil || err2 != nil || first > last || last > 65535 {
		return portRun{other: text}, false
	}
	return portRun{first: first, last: last, proto: proto}, true
}

// portRuns joins the keys of ports that follow each other, as long as follows agrees.
func portRuns(keys []string, follows func(port, next string) bool) []portRun {
	all := make([]portRun, 0, len(keys))
	for _, key := range keys {
		run, _ := parsePortRun(key)
		all = append(all, run)
	}
	slices.SortFunc(all, func(a, b portRun) int {
		if c := strings.Compare(a.proto+a.other, b.proto+b.other); c != 0 {
			return c
		}
		return a.first - b.first
	})
	all = slices.Compact(all)
	var out []portRun
	for at := 0; at < len(all); {
		end := at + 1
		for end < len(all) && all[at].other == "" && all[end].proto == all[at].proto && all[end].first == all[end-1].last+1 &&
			follows(all[end-1].key(all[end-1].last), all[end].key(all[end].first)) {
			end++
		}
		if end-at < shortestRange {
			out = append(out, all[at:end]...)
		} else {
			out = append(out, portRun{first: all[at].first, last: all[end-1].last, proto: all[at].proto})
		}
		at = end
	}
	return out
}

// splitPlace splits a place on the host into its address, "" for all, and its port,
// "0" for any or "3000-3010" for any of a range.
func splitPlace(place string) (ip, port string) {
	if ip, port, err := net.SplitHostPort(place); err == nil {
		return ip, port
	}
	return "", place
}

func joinPlace(ip, port string) string {
	if ip == "" {
		return port
	}
	return net.JoinHostPort(ip, port)
}

// isAnyOfRange reports whether the engine chooses the port out of a range.
func isAnyOfRange(place string) bool {
	_, port := splitPlace(place)
	return strings.Contains(port, "-")
}

// shifted returns the places n ports on.
func shifted(places []string, n int) []string {
	out := make([]string, len(places))
	for i, place := range places {
		out[i] = onFixedPort(place, func(port int) string { return strconv.Itoa(port + n) })
	}
	return out
}

// widened makes a place the first of a range that is n ports longer.
func widened(place string, n int) string {
	return onFixedPort(place, func(port int) string { return strconv.Itoa(port) + "-" + strconv.Itoa(port+n) })
}

// onFixedPort changes the port of a place, unless the engine chooses it.
func onFixedPort(place string, change func(port int) string) string {
	ip, text := splitPlace(place)
	port, err := strconv.Atoi(text)
	if err != nil || port == 0 {
		return place
	}
	return joinPlace(ip, change(port))
}

// narrowed returns the first place of a range.
func narrowed(place string) string {
	ip, port := splitPlace(place)
	first, _, _ := strings.Cut(port, "-")
	return joinPlace(ip, first)
}
