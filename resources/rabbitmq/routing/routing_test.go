package routing

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTopic(t *testing.T) {
	for _, c := range []struct {
		pattern, key string
		want         bool
	}{
		{"", "", true}, {"", "a", false}, {"a", "", false}, {"#", "", true}, {"*", "", false}, {"*", "a", true},
		{"*", ".", false}, {"*.*", ".", true}, {"a.*", "a.", true}, {"a.#", "a", true}, {"a.#", "a.", true}, {"a.#", "ab", false},
		{"#.b", "b", true}, {"#.b", "a.b", true}, {"#.b", "a.b.c", false}, {"a.#.z", "a.z", true}, {"a.#.z", "a.b.c.z", true},
		{"*.#", "", false}, {"*.#", "a", true}, {"#.#", "", true}, {"#.*", "", false}, {"#.*.#", "a", true}, {"a*", "ab", false},
		{"*", "*", true}, {"a", "*", false},
	} {
		if got := topicMatch(words(c.pattern), words(c.key)); got != c.want {
			t.Errorf("pattern %q takes key %q: %v, want %v", c.pattern, c.key, got, c.want)
		}
	}
}

// TestTopicIsRegular: a pattern means the regular expression one would write
// for it.
func TestTopicIsRegular(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"a", "b", "", "*", "#"})
		pattern := rapid.SliceOfN(word, 0, 5).Draw(t, "pattern")
		key := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", ""}), 0, 6).Draw(t, "key")
		var re strings.Builder
		re.WriteString("^")
		for _, w := range pattern {
			switch w {
			case "#":
				re.WriteString(`([^,]*,)*`)
			case "*":
				re.WriteString(`[^,]*,`)
			default:
				re.WriteString(regexp.QuoteMeta(w) + ",")
			}
		}
		text := ""
		for _, w := range key {
			text += w + ","
		}
		if got, want := topicMatch(pattern, key), regexp.MustCompile(re.String()+"$").MatchString(text); got != want {
			t.Fatalf("%q takes %q: %v, want %v", pattern, key, got, want)
		}
	})
}

func TestHeaders(t *testing.T) {
	type m = map[string]any
	for _, c := range []struct {
		arguments, headers m
		want               bool
	}{
		{m{}, m{}, true}, {m{"x-match": "any"}, m{"a": "1"}, false}, {m{"x-match": "all"}, m{}, true},
		{m{"a": "1"}, m{"a": "1", "b": "2"}, true}, {m{"a": "1", "b": "2"}, m{"a": "1"}, false},
		{m{"x-match": "any", "a": "1", "b": "2"}, m{"b": "2"}, true}, {m{"x-match": "any", "a": "1"}, m{"a": "2"}, false},
		{m{"a": int64(5)}, m{"a": 5.0}, false}, {m{"a": int64(5)}, m{"a": "5"}, false}, {m{"a": true}, m{"a": true}, true},
		{m{"x-a": "1"}, m{}, true}, {m{"x-match": "all-with-x", "x-a": "1"}, m{}, false},
		{m{"x-match": "any-with-x", "x-a": "1"}, m{"x-a": "1"}, true}, {m{"x-match": "any", "x-a": "1"}, m{"x-a": "1"}, false},
	} {
		if got := headersMatch(c.arguments, c.headers); got != c.want {
			t.Errorf("%v takes %v: %v, want %v", c.arguments, c.headers, got, c.want)
		}
	}
}

// shop is a virtual host with most of what routing knows.
func shop() *Vhost {
	return Make(Vhost{
		Name: "/",
		Exchanges: []*Exchange{
			{Name: "orders", Type: "topic", HasAlternate: true, Alternate: "unrouted"}, {Name: "unrouted", Type: "fanout"},
			{Name: "dlx", Type: "direct"},
			{Name: "inner", Type: "fanout", Internal: true}, {Name: "hash", Type: "x-consistent-hash"}, {Name: "by-policy", Type: "direct"},
		},
		Queues: []*Queue{{Name: "new", Type: "quorum"}, {Name: "all", Type: "classic"}, {Name: "lost", Type: "classic"},
			{Name: "dead", Type: "classic",
				Arguments: map[string]any{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "new"}}, {Name: "h1", Type: "classic"},
			{Name: "log", Type: "stream"}},
		Bindings: []*Binding{
			{Source: "orders", Destination: "new", Key: "*.new"}, {Source: "orders", Destination: "inner", ToExchange: true, Key: "*.new"},
			{Source: "inner", Destination: "all"},
			{Source: "inner", Destination: "orders", ToExchange: true}, {Source: "unrouted", Destination: "lost"},
			{Source: "dlx", Destination: "dead", Key: "dead"},
			{Source: "hash", Destination: "h1", Key: "1"}, {Source: "inner", Destination: "log"},
		},
		Policies: []*Policy{
			{Name: "dead-letter", Pattern: "^new$", ApplyTo: "queues", Priority: 5, Definition: map[string]any{"dead-letter-exchange": "dlx",
				"dead-letter-routing-key": "dead"}},
			{Name: "low", Pattern: "^new$", ApplyTo: "all", Definition: map[string]any{"dead-letter-exchange": "unrouted"}},
			{Name: "alternate", Pattern: "^by-policy$", ApplyTo: "exchanges", Definition: map[string]any{"alternate-exchange": "unrouted"}},
			{Name: "nothing", Pattern: "^none$", ApplyTo: "all", Definition: map[string]any{"expires": int64(1)}},
			{Name: "look", Pattern: "^(?=lo)", ApplyTo: "queues", Definition: map[string]any{"dead-letter-exchange": "dlx"}},
		},
	})
}

func TestPublish(t *testing.T) {
	v := shop()
	for _, c := range []struct {
		m    Message
		want string // queues, then those it may reach
	}{
		{Message{Exchange: "orders", Key: "a.new"}, "all log new"},
		{Message{Exchange: "orders", Key: "a.old"}, "lost"},
		{Message{Exchange: "", Key: "all"}, "all"},
		{Message{Exchange: "", Key: "none"}, "unroutable"},
		{Message{Exchange: "dlx", Key: "none"}, "unroutable"},
		{Message{Exchange: "by-policy"}, "lost"},
		{Message{Exchange: "hash"}, "| h1"},
		{Message{Exchange: "inner"}, "refused"},
		{Message{Exchange: "amq.direct"}, "unroutable"},
	} {
		r := v.Publish(c.m)
		got := strings.Join(r.Queues, " ")
		switch {
		case r.Refused != "":
			got = "refused"
		case r.Unroutable():
			got = "unroutable"
		case len(r.Maybe) > 0:
			got = strings.TrimSpace(got + " | " + strings.Join(r.Maybe, " "))
		}
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%v: %s, want %s", c.m, got, c.want)
		}
	}
}

func TestReject(t *testing.T) {
	v := shop()
	d := v.Reject(Message{Exchange: "orders", Key: "a.new"}, "new")
	if d == nil || d.Exchange != "dlx" || d.Key != "dead" || d.From != "policy dead-letter" ||
		!slices.Equal(d.Route.Queues, []string{"dead"}) {
		t.Fatalf("got %+v", d)
	}
	if len(d.Next) != 1 || !slices.Equal(d.Next[0].Again, []string{"new"}) {
		t.Errorf("the round is not seen: %+v", d.Next)
	}
	if d := Make(Vhost{Queues: []*Queue{{Name: "q"}}}).Reject(Message{}, "q"); d != nil {
		t.Errorf("a queue without dead-lettering: %+v", d)
	}
	if d := v.Reject(Message{}, "lost"); d == nil || !strings.Contains(d.Unsure, "look") {
		t.Errorf("a pattern that cannot be tried: %+v", d)
	}
	if d := v.Reject(Message{}, "log"); d != nil {
		t.Errorf("a stream: %+v", d)
	}
}

func TestEffective(t *testing.T) {
	v := Make(Vhost{
		Queues: []*Queue{{Name: "q", Type: "quorum", Arguments: map[string]any{"x-message-ttl": int64(50), "x-overflow": "drop-head",
			"x-dead-letter-exchange": "a", "x-max-priority": int64(1)}}},
		Policies: []*Policy{
			{Name: "p", Pattern: "q", ApplyTo: "quorum_queues", Priority: 1, Definition: map[string]any{"message-ttl": int64(60),
				"overflow": "reject-publish", "dead-letter-exchange": "b", "max-length": int64(9)}},
			{Name: "tie", Pattern: "q", ApplyTo: "all", Priority: 1, Definition: map[string]any{}},
			{Name: "beaten", Pattern: "q", ApplyTo: "all", Definition: map[string]any{}},
			{Name: "classic", Pattern: "q", ApplyTo: "classic_queues", Priority: 9, Definition: map[string]any{}},
		},
		Operator: []*Policy{{Name: "o", Pattern: ".*", ApplyTo: "queues", Definition: map[string]any{"max-length": int64(3),
			"message-ttl": int64(70)}}},
	})
	e := v.ForQueue(v.Queue("q"))
	if e.Policy.Policy.Name != "p" || len(e.Policy.Tied) != 1 || len(e.Policy.Beaten) != 1 || e.Operator.Policy.Name != "o" {
		t.Errorf("policies: %+v", e.Policy)
	}
	for key, want := range map[string]string{"message-ttl": "argument x-message-ttl", "overflow": "policy p",
		"dead-letter-exchange": "argument x-dead-letter-exchange", "max-length": "operator policy o"} {
		if s, _ := e.Get(key); s.From != want || len(s.Over) == 0 {
			t.Errorf("%s: %+v, want from %s", key, s, want)
		}
	}
	if _, ok := e.Get("max-priority"); ok {
		t.Error("max-priority is no setting of a policy")
	}
	if p, o := v.Dead(); len(p) != 1 || p[0].Name != "classic" || len(o) != 0 {
		t.Errorf("dead: %v %v", p, o)
	}
}
