package rabbitmq

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
)

// release is a version of RabbitMQ as a number: 403 is 4.3. 0 is one that is not
// known.
type release int

func releaseOf(version string) release {
	major, minor := majorMinor(version)
	return release(100*major + minor)
}

func (v release) String() string { return fmt.Sprintf("RabbitMQ %d.%d", v/100, v%100) }

// versions are those from one on, and before another; 0 is no bound. What lies
// between two measured versions that differ counts as the later one: only what
// a broker is known to refuse is refused here.
type versions struct{ from, until release }

// has reports whether the version is among them. One that is not known is.
func (r versions) has(v release) bool {
	return v == 0 || v >= r.from && (r.until == 0 || v < r.until)
}

var (
	until310 = versions{until: 311}
	after310 = versions{from: 311}
	before40 = versions{until: 400}
	after40  = versions{from: 401}
	before43 = versions{until: 403}
)

// refusedBy returns what the version refuses of a resource, or passes over in
// silence, though another one takes it. What all refuse is found by Check.
func refusedBy(v release, r *resources.Resource) []resources.Unfit {
	if v == 0 || r.External {
		return nil
	}
	switch r.Addr.Kind {
	case policyName, operatorPolicyName:
		return policyRefusedBy(v, r)
	case queueName:
		return queueRefusedBy(v, r)
	case exchangeName:
		if r.Config.Text("type") == "x-local-random" && v < 400 {
			return []resources.Unfit{{At: "/type", Msg: fmt.Sprintf("%s has no exchanges of the type x-local-random", v), Hint: "they need RabbitMQ 4.0"}}
		}
	case vhostName:
		return vhostRefusedBy(v, r)
	}
	return nil
}

func policyRefusedBy(v release, r *resources.Resource) []resources.Unfit {
	var out []resources.Unfit
	if to := r.Config.Text("apply_to"); v < 312 && slices.Contains([]string{"classic_queues", "quorum_queues", "streams"}, to) {
		out = append(out, resources.Unfit{At: "/apply_to", Msg: fmt.Sprintf("%s does not know apply_to: %s", v, to), Hint: "write `apply_to: queues` and a pattern that matches only these, or use RabbitMQ 3.12 or later"})
	}
	definition := r.Config.Map("definition")
	for _, key := range slices.Sorted(maps.Keys(definition)) {
		s, at := policySetting(key), "/definition/"+escapePointer(key)
		if s == nil {
			continue
		}
		in, what := s.in, "policies"
		if r.Addr.Kind == operatorPolicyName {
			in, what = s.inOperator, "operator policies"
		}
		if !in.has(v) {
			out = append(out, resources.Unfit{At: at, Msg: fmt.Sprintf("%s refuses the key %s in %s", v, key, what), Hint: "remove it"})
			continue
		}
		for _, n := range s.narrow {
			if want := n.check(definition[key]); n.on.has(v) && want != "" {
				out = append(out, resources.Unfit{At: at, Msg: fmt.Sprintf("on %s %s must be %s, not %s", v, key, want, resources.Show(definition[key])), Hint: ""})
			}
		}
	}
	return out
}

func queueRefusedBy(v release, r *resources.Resource) []resources.Unfit {
	var out []resources.Unfit
	arguments := r.Config.Map("arguments")
	refuse := func(argument string, when bool, msg, hint string) {
		if _, given := arguments[argument]; given && when {
			out = append(out, resources.Unfit{At: "/arguments/" + argument, Msg: fmt.Sprintf("%s %s", v, msg), Hint: hint})
		}
	}
	classic := typeOf(r) == "classic"
	refuse("x-queue-master-locator", v >= 403, "refuses the argument x-queue-master-locator", "write x-queue-leader-locator")
	refuse("x-queue-version", v >= 403 && arguments["x-queue-version"] == int64(1), "refuses x-queue-version: 1", "remove it: there is only version 2")
	refuse("x-queue-leader-locator", v < 311 && classic, "does not take x-queue-leader-locator for classic queues", "write x-queue-master-locator")
	refuse("x-consumer-timeout", v >= 403 && classic, "does not take x-consumer-timeout for classic queues", "remove it")
	return out
}

func vhostRefusedBy(v release, r *resources.Resource) []resources.Unfit {
	var out []resources.Unfit
	if _, given := r.Config["default_queue_type"]; given && v < 311 {
		out = append(out, resources.Unfit{At: "/default_queue_type", Msg: fmt.Sprintf("%s passes over default_queue_type", v), Hint: "write the type at each queue, or use RabbitMQ 3.12 or later"})
	}
	if r.Config.Bool("deletion_protection") && v < 401 {
		out = append(out, resources.Unfit{At: "/deletion_protection", Msg: fmt.Sprintf("%s cannot protect a virtual host from deletion", v), Hint: "use `protect: true`, which midaz itself keeps"})
	}
	return out
}

// declaredRelease is the version that the image of the broker's service names in
// its tag ("rabbitmq:4.0-management"), 0 where none does.
func declaredRelease(all *resources.Declared) release {
	brokers := all.Of(brokerName)
	if len(brokers) == 0 {
		return 0
	}
	service := all.Get(resources.NewAddr("service", brokers[0].Config.Text("service")))
	if service == nil {
		return 0
	}
	image, _, _ := strings.Cut(resources.Text(service.Config["image"]), "@")
	slash := strings.LastIndexByte(image, '/')
	name, tag, _ := strings.Cut(image[slash+1:], ":")
	major, rest, _ := strings.Cut(tag, ".")
	minor, _, _ := strings.Cut(rest, ".")
	minor, _, _ = strings.Cut(minor, "-")
	a, err := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	if !strings.Contains(name, "rabbitmq") || err != nil || err2 != nil || a < 3 {
		return 0
	}
	return release(100*a + b)
}

// checkRelease reports what the version that the spec itself names refuses.
func checkRelease(all *resources.Declared, report resources.Report) {
	v := declaredRelease(all)
	if v == 0 {
		return
	}
	for _, k := range topologies {
		for _, r := range all.Of(k.Table().Kind) {
			for _, u := range refusedBy(v, r) {
				pos := r.Pos(u.At)
				if !r.Node.At(u.At).IsAbsent() {
					pos = r.Node.KeyPos(u.At)
				}
				report(ruleRelease.At(pos, u.Msg+", which the image of the broker names", u.Hint))
			}
		}
	}
}
