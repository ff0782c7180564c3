package rabbitmq_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

// overruled returns the declared settings that are not in force.
func overruled(t *testing.T, b *target, spec string) []string {
	t.Helper()
	all, problems := declare(t, b.head()+spec)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	var out []string
	for a, o := range observe(t, rabbitmq.OpenReader(rabbitmq.Options{Declared: all}), all) {
		for _, d := range o.Overruled {
			if !d.Drift || d.Why == "" {
				t.Errorf("%s %s: drift %v, %q", a, d.Path, d.Drift, d.Why)
			}
			out = append(out, fmt.Sprintf("%s %s: %s, found %s", a, d.Path, resources.Show(d.After), resources.Show(d.Before)))
		}
	}
	slices.Sort(out)
	return out
}

// outsideRow is a policy that somebody adds to a topology that was applied.
type outsideRow struct {
	name, spec string
	// policy and operator are the bodies of policies from outside, "" for none.
	policy, operator string
	want             []string
	// unreal rows depend on what a broker in memory does not tell.
	unreal bool
}

const fieldsQueue = "      queues: { q: { type: classic, max_length: 1000, overflow: reject-publish } }\n"

func outsidePolicy(priority int, definition string) string {
	return fmt.Sprintf(`{"pattern":".*","apply-to":"all","priority":%d,"definition":{%s}}`, priority, definition)
}

var outsideRows = []outsideRow{
	{name: "a policy takes over", spec: fieldsQueue, policy: outsidePolicy(2000000000, `"max-length":1,"overflow":"drop-head"`),
		want: []string{`queue/midaz-test/q max_length: 1000, found 1`, `queue/midaz-test/q overflow: "reject-publish", found "drop-head"`}},
	{name: "a policy takes a setting away", spec: fieldsQueue, policy: outsidePolicy(50, `"max-length":1000`),
		want: []string{`queue/midaz-test/q overflow: "reject-publish", found null`}},
	{name: "a policy says the same", spec: fieldsQueue, policy: outsidePolicy(50, `"max-length":1000,"overflow":"reject-publish"`)},
	{name: "a policy says more", spec: fieldsQueue,
		policy: outsidePolicy(50, `"max-length":1000,"overflow":"reject-publish","message-ttl":5`)},
	{name: "a policy of lower priority", spec: fieldsQueue, policy: outsidePolicy(0, `"max-length":1`)},
	{name: "a policy that does not match", spec: fieldsQueue, policy: `{"pattern":"^other$","priority":50,"definition":{"max-length":1}}`},
	{name: "a policy for exchanges", spec: fieldsQueue,
		policy: `{"pattern":".*","apply-to":"exchanges","priority":50,"definition":{"alternate-exchange":"amq.fanout"}}`},
	{name: "a policy with a key that keeps it from the queue", spec: fieldsQueue, policy: outsidePolicy(50, `"max-length":1,"max-age":"1D"`)},
	{name: "an operator policy sets a lower limit", spec: fieldsQueue, operator: outsidePolicy(0, `"max-length":1`),
		want: []string{`queue/midaz-test/q max_length: 1000, found 1`}},
	{name: "an operator policy sets a higher limit", spec: fieldsQueue, operator: outsidePolicy(0, `"max-length":2000`)},
	{name: "an operator policy sets the same limit", spec: fieldsQueue, operator: outsidePolicy(0, `"max-length":1000`)},
	{name: "an operator policy limits something else", spec: fieldsQueue, operator: outsidePolicy(0, `"message-ttl":5`)},
	{name: "a tie of which the broker does not tell the winner", spec: fieldsQueue, policy: outsidePolicy(1, `"max-length":1`), unreal: true},
	{name: "nothing is declared", spec: "      queues: { q: { type: classic } }\n", policy: outsidePolicy(50, `"max-length":1`),
		operator: outsidePolicy(0, `"max-length":1`)},
	{name: "a lower limit than an argument", spec: "      queues: { q: { type: classic, arguments: { x-max-length: 100 } } }\n",
		policy: outsidePolicy(50, `"max-length":1`),
		want:   []string{`queue/midaz-test/q arguments.x-max-length: 100, found 1`}},
	{name: "an argument of which no policy takes the place",
		spec:   "      queues: { q: { type: classic, arguments: { x-overflow: reject-publish } } }\n",
		policy: outsidePolicy(50, `"overflow":"drop-head"`)},
	{name: "a declared policy is overridden",
		spec: "      queues: { a: { type: classic }, b: { type: classic } }\n      policies: { own: { pattern: '^[ab]$', priority: 7, " +
			"definition: { max-length: 10, message-ttl: 5 } } }\n",
		policy: outsidePolicy(8, `"max-length":3`),
		want: []string{`policy/midaz-test/own definition.max-length: 10, found 3`,
			`policy/midaz-test/own definition.message-ttl: 5, found null`}},
	{name: "a setting that the generated policy has from a declared one",
		spec: "      queues: { q: { type: classic, max_length: 10 } }\n      policies: { own: { pattern: '^q$', definition: { message-ttl: " +
			"5 } } }\n",
		policy: outsidePolicy(8, `"max-length":10`),
		want:   []string{`policy/midaz-test/own definition.message-ttl: 5, found null`}},
	{name: "declared policies override one another",
		spec: "      queues: { q: { type: classic } }\n      policies: { low: { pattern: '^q$', priority: 1, definition: { max-length: 10 } " +
			"}, high: { pattern: '^q$', priority: 2, definition: { message-ttl: 5 } } }\n      operator_policies: { o: { pattern: '^q$', " +
			"definition: { message-ttl: 1 } } }\n"},
	{name: "a declared operator policy is overridden",
		spec:     "      queues: { q: { type: classic } }\n      operator_policies: { own: { pattern: '^q$', definition: { max-length: 10 } } }\n",
		operator: outsidePolicy(8, `"max-length":3`),
		want:     []string{`operator-policy/midaz-test/own definition.max-length: 10, found 3`}},
	{name: "the alternate exchange of a declared policy",
		spec: "      exchanges: { x: }\n      policies: { own: { pattern: '^x$', apply_to: exchanges, definition: { alternate-exchange: " +
			"amq.fanout } } }\n",
		policy: outsidePolicy(8, `"alternate-exchange":"amq.direct"`),
		want:   []string{`policy/midaz-test/own definition.alternate-exchange: "amq.fanout", found "amq.direct"`}},
	{name: "queues that share one policy",
		spec:   "      queues: { a: { type: classic, max_length: 5 }, b: { type: classic, max_length: 5 }, q: { type: quorum, max_length: 6 } }\n",
		policy: `{"pattern":"^[bq]$","priority":3,"definition":{"max-length":6}}`,
		want:   []string{`queue/midaz-test/b max_length: 5, found 6`}},
}

// TestOverruledSettings: declared settings that a policy from outside keeps from
// being in force are observed, and nothing else is.
func TestOverruledSettings(t *testing.T) {
	for _, row := range outsideRows {
		t.Run(row.name, func(t *testing.T) {
			b := fakeTarget(t, "4.0.5")
			checkOverruled(t, b, row)
		})
	}
	t.Run("real", func(t *testing.T) {
		b := realTarget(t)
		for _, row := range outsideRows {
			t.Run(row.name, func(t *testing.T) {
				if row.unreal {
					t.Skip("a real broker tells")
				}
				b.wipe(t)
				checkOverruled(t, b, row)
			})
		}
	})
}

func checkOverruled(t *testing.T, b *target, row outsideRow) {
	spec := inVhost + row.spec
	world{t: t, b: b}.apply(spec)
	equal(t, overruled(t, b, spec), nil)
	if row.policy != "" {
		b.do(t, "PUT", "/api/policies/midaz-test/outside", row.policy)
	}
	if row.operator != "" {
		b.do(t, "PUT", "/api/operator-policies/midaz-test/outside", row.operator)
	}
	equal(t, overruled(t, b, spec), row.want)
	world{t: t, b: b}.settled(spec) // the objects themselves are as declared
}

// A broker keeps and lists the parameters of a plugin that was switched off, and
// does nothing with them.
func TestParametersOfAPluginThatIsNotEnabled(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	const shovel = `{src-protocol: amqp091, src-uri: "amqp://", src-queue: a, dest-protocol: amqp091, dest-uri: "amqp://", dest-queue: b}`
	spec := inVhost + "      queues: { a: {}, b: {} }\n      parameters: { shovel: { s: { value: " + shovel +
		" } }, federation-upstream: { u: { value: { uri: \"amqp://east\" } } } }\n"
	world{t: t, b: b}.apply(spec)
	equal(t, overruled(t, b, spec), nil)
	b.fake.DisabledPlugins = []string{"rabbitmq_shovel"}
	equal(t, overruled(t, b, spec), []string{`parameter/midaz-test/shovel/s plugin: "rabbitmq_shovel", found null`})
}

// TestPermissionsThatTopicPermissionsNarrow: a declared permission that a topic
// permission from outside the spec narrows is drift, and nothing else is.
func TestPermissionsThatTopicPermissionsNarrow(t *testing.T) {
	const (
		user   = "  users: { midaz-test: { password: w } }\n"
		topics = "      exchanges: { x: { type: topic }, y: { type: topic }, d: { type: direct } }\n"
	)
	permission := func(write, read string) string {
		return fmt.Sprintf("      permissions: { midaz-test: { configure: '', write: '%s', read: '%s' } }\n", write, read)
	}
	all := user + inVhost + topics + permission(".*", ".*")
	onEach(t, func(t *testing.T, b *target) {
		for _, row := range []struct {
			name, spec string
			// outside are exchange, write and read of topic permissions from outside.
			outside [][3]string
			want    []string
			// onlyReal rows need a pattern that the broker in memory cannot read.
			onlyReal bool
		}{
			{name: "both ways", spec: all, outside: [][3]string{{"x", "^paid$", "^a"}},
				want: []string{`permission/midaz-test/midaz-test read: ".*", found "^a"`,
					`permission/midaz-test/midaz-test write: ".*", found "^paid$"`}},
			{name: "one way", spec: all, outside: [][3]string{{"x", "^paid$", ".*"}},
				want: []string{`permission/midaz-test/midaz-test write: ".*", found "^paid$"`}},
			{name: "no routing key at all", spec: all, outside: [][3]string{{"x", "^.*$", ""}},
				want: []string{`permission/midaz-test/midaz-test read: ".*", found ""`}},
			{name: "two exchanges", spec: all, outside: [][3]string{{"y", "^b", ".*"}, {"x", "^a", ".*"}},
				want: []string{`permission/midaz-test/midaz-test write: ".*", found "^a"`}},
			{name: "an exchange of the broker", spec: all, outside: [][3]string{{"amq.topic", "^a", ".*"}},
				want: []string{`permission/midaz-test/midaz-test write: ".*", found "^a"`}},
			{name: "everything", spec: all, outside: [][3]string{{"x", ".*", "^.*$"}}},
			{name: "an exchange that has no use for it", spec: all, outside: [][3]string{{"d", "^a", "^a"}}},
			{name: "an exchange that is not permitted", spec: user + inVhost + topics + permission("^y$", ""),
				outside: [][3]string{{"x", "^a", "^a"}}},
			{name: "a pattern that only the broker can read", spec: user + inVhost + topics + permission("^(?!y)", ""),
				outside: [][3]string{{"x", "^a", "^a"}}, onlyReal: true},
			{name: "no permission is declared", spec: user + inVhost + topics, outside: [][3]string{{"x", "^a", "^a"}}},
			{name: "it is declared", spec: all + "      topic_permissions: { midaz-test: { x: { write: '^a', read: '^a' } } }\n"},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := b
				switch {
				case b.fake != nil && row.onlyReal:
					t.Skip("for a real broker")
				case b.fake != nil:
					b = fakeTarget(t, b.fake.Version)
				default:
					b.wipe(t)
				}
				w := world{t: t, b: b}
				w.apply(row.spec)
				equal(t, overruled(t, b, row.spec), nil)
				for _, x := range row.outside {
					b.do(t, "PUT", "/api/topic-permissions/midaz-test/midaz-test", fmt.Sprintf(`{"exchange":%q,"write":%q,"read":%q}`, x[0], x[1], x[2]))
				}
				equal(t, overruled(t, b, row.spec), row.want)
				w.settled(row.spec) // the permission itself is as declared
				if row.outside == nil {
					// What has left the spec goes with the next apply, and is the stack's own until then.
					equal(t, overruled(t, b, all), nil)
				}
			})
		}
	})
}
