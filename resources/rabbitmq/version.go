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
	case parameterName:
		return parameterRefusedBy(v, r)
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
	queueType := typeOf(r)
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		s := argumentSetting(name)
		if s == nil || !s.isStored(0, queueType) || s.isStored(v, queueType) {
			continue
		}
		if _, msg, hint := s.misfit(queueType, arguments[name]); msg != "" {
			out = append(out, resources.Unfit{At: "/arguments/" + escapePointer(name), Msg: fmt.Sprintf("on %s %s", v, msg), Hint: hint})
		}
	}
	classic := queueType == "classic"
	refuse("x-queue-master-locator", v >= 403, "refuses the argument x-queue-master-locator", "write x-queue-leader-locator")
	refuse("x-queue-version", v >= 403 && arguments["x-queue-version"] == int64(1), "refuses x-queue-version: 1", "remove it: there is only version 2")
	refuse("x-queue-leader-locator", v < 311 && classic, "does not take x-queue-leader-locator for classic queues", "write x-queue-master-locator")
	refuse("x-queue-leader-locator", v < 311 && !classic && arguments["x-queue-leader-locator"] == "min-masters", "refuses x-queue-leader-locator: min-masters", "write balanced")
	return out
}

// lateSettings are settings of parameters that not all versions know: by
// component, "key" for any value, "key=value" for one, "key/part" for one part.
var lateSettings = map[string]map[string]versions{
	"shovel": {
		"src-predeclared": after310, "dest-predeclared": after310, "src-protocol=local": after40, "dest-protocol=local": after40,
		"src-queue-args/x-stream-filter-size-bytes": after310, "dest-queue-args/x-stream-filter-size-bytes": after310, "src-consumer-args/x-stream-filter": after40,
	},
	"federation-upstream":     {"ha-policy": before40, "queue-type": after310},
	"federation-upstream-set": {"ha-policy": before40, "queue-type": after310},
}

func parameterRefusedBy(v release, r *resources.Resource) []resources.Unfit {
	var out []resources.Unfit
	late := lateSettings[r.Addr.Parts()[1]]
	look := func(at string, value resources.Value) {
		m, _ := value.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(late)) {
			name, word, oneValue := strings.Cut(key, "=")
			name, part, onePart := strings.Cut(name, "/")
			have, given := m[name]
			if onePart {
				parts, _ := have.(map[string]any)
				_, given = parts[part]
			}
			if given && !late[key].has(v) && (!oneValue || have == word) {
				out = append(out, resources.Unfit{At: at + "/" + name, Msg: fmt.Sprintf("%s refuses %s here", v, strings.NewReplacer("=", ": ", "/", ": ").Replace(key)), Hint: "remove it"})
			}
		}
	}
	look("/value", r.Config["value"])
	if value, ok := r.Config["value"].(map[string]any); ok && r.Addr.Parts()[1] == "shovel" && v <= 400 {
		out = append(out, shovelRefusedUntil40(v, value)...)
	}
	list, _ := r.Config["value"].([]any)
	for i, e := range list {
		look(fmt.Sprintf("/value/%d", i), e)
	}
	return out
}

// shovelRefusedUntil40 returns what versions up to 4.0 refuse of a shovel, and 4.3
// takes.
func shovelRefusedUntil40(v release, value map[string]any) []resources.Unfit {
	var out []resources.Unfit
	for _, c := range []struct {
		key   string
		check form
	}{{"src-queue-args", queueArgs}, {"dest-queue-args", queueArgs}, {"src-consumer-args", consumerArgs}} {
		if args, given := value[c.key]; given {
			if want := c.check(args); want != "" {
				out = append(out, resources.Unfit{At: "/value/" + c.key, Msg: fmt.Sprintf("on %s %s must be %s", v, c.key, want), Hint: "remove what it does not know"})
			}
		}
	}
	for _, key := range []string{"src-predeclared", "src-consumer-args", "dest-predeclared"} {
		side, _, _ := strings.Cut(key, "-")
		if _, given := value[key]; given && value[side+"-protocol"] == "amqp10" {
			out = append(out, resources.Unfit{At: "/value/" + key, Msg: fmt.Sprintf("%s refuses %s with AMQP 1.0", v, key), Hint: "remove it"})
		}
	}
	return out
}

func vhostRefusedBy(v release, r *resources.Resource) []resources.Unfit {
	var out []resources.Unfit
	if _, given := r.Config["default_queue_type"]; given && v < 311 {
		out = append(out, resources.Unfit{At: "/default_queue_type", Msg: fmt.Sprintf("%s passes over default_queue_type", v), Hint: "write the type at each queue, or use RabbitMQ 3.12 or later"})
	}
	for _, tag := range resources.Texts(r.Config["tags"]) {
		if !isASCII(tag) && v < 311 {
			out = append(out, resources.Unfit{At: "/tags", Msg: fmt.Sprintf("%s garbles the tag %q, which is not ASCII", v, tag), Hint: "use letters without accents"})
		}
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
