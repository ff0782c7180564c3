package rabbitmq

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// setting is one thing that an argument of a queue or the definition of a
// policy can say.
type setting struct {
	// name is the argument without "x-", and mostly the policy's key.
	name string
	// classic, quorum and stream say which queues take it as an argument.
	classic, quorum, stream bool
	// policy is its key in a policy, "" when no policy can say it.
	policy string
	// operator policies can say it.
	operator bool
	// check returns what the value must be, "" when it is good.
	check func(v resources.Value) string
	// integer values may be written as texts.
	integer bool
	// advise: a policy is the better place, since it changes in place.
	advise bool
	// policyCheck is check for policies, where the broker is of another opinion.
	policyCheck func(v resources.Value) string
	// in and inOperator are the versions whose policies and operator policies
	// have it.
	in, inOperator versions
	// narrow are values that some versions refuse.
	narrow []narrowed
	// stored are queues that keep the argument, whatever its value, and do not read it.
	stored []storing
}

// storing are queues of some types on some versions.
type storing struct {
	on    versions
	types string
}

// narrowed is what a value must be on some versions.
type narrowed struct {
	on    versions
	check func(v resources.Value) string
}

// settings is the broker's own table, as read in its sources and measured on
// 3.10, 4.0 and 4.3. What stands in an argument and is not in here is stored,
// and has no effect.
var settings = []setting{
	{name: "message-ttl", classic: true, quorum: true, policy: "message-ttl", operator: true, integer: true, advise: true,
		check: integer(0, maxTimer), policyCheck: integer(0, math.MaxInt64)},
	{name: "expires", classic: true, quorum: true, policy: "expires", operator: true, integer: true, advise: true, check: integer(1, maxTimer),
		policyCheck: integer(1, math.MaxInt64)},
	{name: "max-length", classic: true, quorum: true, policy: "max-length", operator: true, integer: true, advise: true,
		check: integer(0, math.MaxInt64)},
	{name: "max-length-bytes", classic: true, quorum: true, stream: true, policy: "max-length-bytes", operator: true, integer: true,
		advise: true, check: integer(0, math.MaxInt64)},
	{name: "overflow", classic: true, quorum: true, policy: "overflow", operator: true, inOperator: after310, advise: true,
		check: word("drop-head", "reject-publish", "reject-publish-dlx")},
	{name: "dead-letter-exchange", classic: true, quorum: true, policy: "dead-letter-exchange", advise: true, check: text},
	{name: "dead-letter-routing-key", classic: true, quorum: true, policy: "dead-letter-routing-key", advise: true, check: text},
	{name: "dead-letter-strategy", quorum: true, policy: "dead-letter-strategy", advise: true, check: word("at-most-once", "at-least-once")},
	{name: "max-priority", classic: true, integer: true, check: integer(0, 255)},
	{name: "single-active-consumer", classic: true, quorum: true, check: boolean},
	{name: "queue-mode", classic: true, policy: "queue-mode", advise: true, check: word("default", "lazy"),
		stored: []storing{{versions{from: 403}, "classic"}}},
	{name: "queue-version", classic: true, policy: "queue-version", operator: true, inOperator: after310, integer: true, advise: true,
		check: integer(1, 2)},
	{name: "queue-master-locator", classic: true, policy: "queue-master-locator", operator: true, in: before43,
		inOperator: versions{from: 311, until: 403}, check: word("min-masters", "client-local", "random", "balanced"),
		narrow: []narrowed{{until310, word("min-masters", "client-local", "random")}},
		stored: []storing{{versions{from: 311, until: 403}, "classic"}}},
	{name: "queue-leader-locator", classic: true, quorum: true, stream: true, policy: "queue-leader-locator",
		check: word("client-local", "balanced", "random", "min-masters"), policyCheck: word("client-local", "balanced", "random")},
	{name: "delivery-limit", quorum: true, policy: "delivery-limit", operator: true, integer: true, advise: true,
		check:  integer(math.MinInt64, math.MaxInt64),
		narrow: []narrowed{{until310, integer(0, math.MaxInt64)}}, stored: []storing{{versions{}, "quorum"}}},
	{name: "quorum-initial-group-size", quorum: true, integer: true, check: integer(1, math.MaxInt64)},
	{name: "quorum-target-group-size", quorum: true, policy: "target-group-size", operator: true, in: after310, inOperator: after310,
		integer: true, check: integer(1, math.MaxInt64), stored: []storing{{versions{}, everyType}}},
	{name: "max-in-memory-length", quorum: true, policy: "max-in-memory-length", operator: true, integer: true, advise: true,
		check: integer(0, math.MaxInt64)},
	{name: "max-in-memory-bytes", quorum: true, policy: "max-in-memory-bytes", operator: true, integer: true, advise: true,
		check: integer(0, math.MaxInt64)},
	{name: "consumer-timeout", quorum: true, policy: "consumer-timeout", in: after310, integer: true, advise: true,
		check: integer(0, math.MaxInt64), stored: []storing{{before43, everyType}}},
	{name: "delayed-retry-type", quorum: true, policy: "delayed-retry-type", operator: true, in: after40, inOperator: after40,
		check: word("disabled", "all", "failed", "returned"), stored: []storing{{before43, everyType}, {versions{}, "quorum"}}},
	{name: "delayed-retry-min", quorum: true, policy: "delayed-retry-min", operator: true, in: after40, inOperator: after40, integer: true,
		check: integer(1, math.MaxInt64), stored: []storing{{before43, everyType}, {versions{}, "quorum"}}},
	{name: "delayed-retry-max", quorum: true, policy: "delayed-retry-max", operator: true, in: after40, inOperator: after40, integer: true,
		check: integer(1, math.MaxInt64), stored: []storing{{before43, everyType}, {versions{}, "quorum"}}},
	{name: "consumer-disconnected-timeout", quorum: true, policy: "consumer-disconnected-timeout", in: after40, integer: true,
		check: integer(0, math.MaxInt64), stored: []storing{{before43, everyType}}},
	{name: "max-age", stream: true, policy: "max-age", advise: true, check: age},
	{name: "stream-max-segment-size-bytes", stream: true, policy: "stream-max-segment-size-bytes", integer: true,
		check: integer(0, 3_000_000_000)},
	{name: "stream-filter-size-bytes", stream: true, policy: "stream-filter-size-bytes", in: after310, integer: true, check: integer(16, 255),
		stored: []storing{{until310, "stream"}, {before43, "classic quorum"}}},
	{name: "initial-cluster-size", stream: true, policy: "initial-cluster-size", integer: true, check: integer(1, math.MaxInt64),
		policyCheck: integer(0, math.MaxInt64)},
	// Further keys that only policies have.
	{policy: "alternate-exchange", check: text},
	{policy: "federation-upstream", check: text},
	{policy: "federation-upstream-set", check: text},
	{policy: "federation-upstream-pattern", check: pattern},
	{policy: "ha-mode", in: before40, check: word("all", "exactly", "nodes")},
	{policy: "ha-params", in: before40, check: anything},
	{policy: "ha-sync-mode", in: before40, check: word("manual", "automatic")},
	{policy: "ha-sync-batch-size", in: before40, integer: true, check: integer(1, math.MaxInt32)},
	{policy: "ha-promote-on-shutdown", in: before40, check: word("always", "when-synced")},
	{policy: "ha-promote-on-failure", in: before40, check: word("always", "when-synced")},
}

// maxTimer is the longest time in milliseconds that is taken: ten years.
const maxTimer = 315_360_000_000

const everyType = "classic quorum stream"

func argumentSetting(argument string) *setting {
	name, ok := strings.CutPrefix(argument, "x-")
	if !ok {
		return nil
	}
	for i := range settings {
		if settings[i].name == name {
			return &settings[i]
		}
	}
	return nil
}

func policySetting(key string) *setting {
	for i := range settings {
		if settings[i].policy == key {
			return &settings[i]
		}
	}
	return nil
}

// takes reports whether queues of the type take the setting as an argument.
func (s *setting) takes(queueType string) bool {
	switch queueType {
	case "quorum":
		return s.quorum
	case "stream":
		return s.stream
	default:
		return s.classic
	}
}

// isStored reports whether queues of the type keep the argument on the version
// without reading it; v = 0 asks whether they do on any version.
func (s *setting) isStored(v release, queueType string) bool {
	return slices.ContainsFunc(s.stored, func(at storing) bool { return at.on.has(v) && strings.Contains(at.types, queueType) })
}

// misfit says why the value cannot be an argument of queues of the type, "" when
// it can.
func (s *setting) misfit(queueType string, v resources.Value) (rule *specs.Rule, msg, hint string) {
	if !s.takes(queueType) {
		return ruleArgumentType, fmt.Sprintf("a %s queue does not take the argument x-%s, which is for %s queues", queueType, s.name, s.types()),
			instead(s, queueType)
	}
	if want := s.check(v); want != "" {
		return ruleArgumentValue, fmt.Sprintf("the argument x-%s must be %s, not %s", s.name, want, resources.Show(v)), ""
	}
	return nil, "", ""
}

func (s *setting) types() string {
	var out []string
	for _, t := range []string{"classic", "quorum", "stream"} {
		if s.takes(t) {
			out = append(out, t)
		}
	}
	return strings.Join(out, " and ")
}

func anything(resources.Value) string { return "" }

// pattern is a regular expression, as far as it can be tried here.
func pattern(v resources.Value) string {
	if want := text(v); want != "" {
		return want
	}
	if _, err := regexp.Compile(resources.Text(v)); err != nil && !beyondRE2.MatchString(resources.Text(v)) {
		return "a regular expression"
	}
	return ""
}

func text(v resources.Value) string {
	switch v.(type) {
	case string, resources.Secret:
		return ""
	}
	return "a text"
}

func boolean(v resources.Value) string {
	if _, ok := v.(bool); ok {
		return ""
	}
	return "true or false"
}

// integer accepts whole numbers only: the broker refuses 5.0.
func integer(lo, hi int64) func(resources.Value) string {
	want := fmt.Sprintf("an integer from %d to %d", lo, hi)
	if lo == math.MinInt64 {
		want = "an integer"
	} else if hi == math.MaxInt64 {
		want = fmt.Sprintf("an integer of at least %d", lo)
	}
	return func(v resources.Value) string {
		if i, ok := v.(int64); ok && i >= lo && i <= hi {
			return ""
		}
		return want
	}
}

func word(words ...string) func(resources.Value) string {
	return func(v resources.Value) string {
		if s, ok := v.(string); ok && slices.Contains(words, s) {
			return ""
		}
		if _, ok := v.(resources.Secret); ok {
			return ""
		}
		return "one of " + strings.Join(words, ", ")
	}
}

var ageForm = regexp.MustCompile(`^0*[1-9][0-9]*[YMDhms]$`)

func age(v resources.Value) string {
	if s, ok := v.(string); ok && ageForm.MatchString(s) {
		return ""
	}
	return "a number with one of Y, M, D, h, m, s, such as 7D"
}

// typed returns the values with those that must be integers made so: variables
// are texts.
func typed(values map[string]any, find func(string) *setting) map[string]any {
	var out map[string]any
	for k, v := range values {
		s := find(k)
		written, isText := v.(string)
		if s == nil || !s.integer || !isText {
			continue
		}
		if i, err := strconv.ParseInt(strings.TrimSpace(written), 10, 64); err == nil {
			if out == nil {
				out = maps.Clone(values)
			}
			out[k] = i
		}
	}
	if out == nil {
		return values
	}
	return out
}

// checkArguments reports arguments that the broker would refuse or ignore.
func checkArguments(r *resources.Resource, queueType string, report resources.Report) {
	arguments := r.Config.Map("arguments")
	node := r.Node.Get("arguments")
	pos := func(name string) specs.Pos { return node.KeyPos("/" + escapePointer(name)) }
	var advise []string
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		s := argumentSetting(name)
		switch {
		case s == nil:
			if near := nearArgument(name); near != "" {
				report(ruleArgumentUnknown.At(pos(name), fmt.Sprintf("no queue knows the argument %q: the broker stores it and does nothing", name),
					"did you mean \""+near+"\"?"))
			}
			continue
		case s.isStored(0, queueType):
			if _, msg, hint := s.misfit(queueType, arguments[name]); msg != "" {
				report(ruleArgumentUnknown.At(pos(name), msg+"; a broker that does not refuse it stores it and does nothing", hint))
			}
		default:
			if rule, msg, hint := s.misfit(queueType, arguments[name]); rule != nil {
				report(rule.At(pos(name), msg, hint))
			}
		}
		if s.advise && s.takes(queueType) {
			advise = append(advise, name)
		}
	}
	if _, rk := arguments["x-dead-letter-routing-key"]; rk {
		if _, dlx := arguments["x-dead-letter-exchange"]; !dlx {
			report(ruleArgumentMissing.At(pos("x-dead-letter-routing-key"),
				"x-dead-letter-routing-key needs x-dead-letter-exchange beside it, and the broker refuses the queue without",
				"add x-dead-letter-exchange"))
		}
	}
	if len(advise) > 0 {
		report(rulePolicyAdvice.At(pos(advise[0]), fmt.Sprintf("%s as %s of the queue can only be changed by replacing the queue",
			strings.Join(advise, ", "), pluralWord(len(advise), "an argument", "arguments")),
			"write a policy: it changes in place, while messages wait"))
	}
}

func instead(s *setting, queueType string) string {
	switch {
	case s.name == "max-priority" && queueType == "quorum":
		return "quorum queues have two levels of priority by themselves; remove it"
	case s.stream:
		return "write `type: stream`, or remove it"
	case s.quorum && !s.classic:
		return "write `type: quorum`, or remove it"
	default:
		return "remove it, or use a queue of another type"
	}
}

func nearArgument(name string) string {
	var all []string
	for i := range settings {
		if settings[i].name != "" {
			all = append(all, "x-"+settings[i].name)
		}
	}
	if policySetting(name) != nil && argumentSetting("x-"+name) != nil {
		return "x-" + name
	}
	return specs.Suggest(name, all)
}

func escapePointer(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}

func pluralWord(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
