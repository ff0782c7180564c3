package rabbitmq_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/specs"
)

// findings are specs with what must be found, as "line:column code part of the
// message". Nothing else may be found. %s is a vhost with one queue and two
// exchanges to refer to.
var findings = []struct {
	name, spec string
	want       []string
}{
	{"nothing wrong", `
rabbitmq:
  service: rabbitmq
  management: { username: midaz }
  users: { app: { password_hash: "", tags: [] } }
  vhosts:
    /:
      permissions: { app: { configure: "", write: "^a\\.", read: ".*" } }
      exchanges: { a.x: { type: topic }, a.dlx: }
      queues: { a.q: { type: quorum } }
      bindings: [ { source: a.x, queue: a.q, routing_key: "a.#" }, { source: amq.topic, queue: a.q, routing_key: "*" } ]
      policies: { p: { pattern: "^a\\.q$", apply_to: queues, definition: { dead-letter-exchange: a.dlx, message-ttl: 5 } } }
`, nil},
	{"both", "\nrabbitmq:\n  service: a\n  url: http://h\n", []string{`4:3 MZ200 both as a service and by url`}},
	{"neither", "\nrabbitmq:\n  management: { username: a }\n", []string{`2:1 MZ200 does not say which broker`}},
	{"bad urls", "\nrabbitmq:\n  url: [amqp://h, \"http://u:pw@h\", \"http://h?x=1\", \"http://\"]\n",
		[]string{`3:9 MZ200 must begin with http`, `3:19 MZ200 it holds credentials`, `3:36 MZ200 must end with the host`,
			`3:52 MZ200 names no host`}},
	{"half a certificate", "\nrabbitmq:\n  url: https://h\n  management: { cert: a.pem, insecure: true }\n",
		[]string{`4:3 MZ200 both cert and key`, `4:30 MZ231 any certificate`}},
	{"names", `
rabbitmq:
  service: a
  vhosts:
    "":
    "..":
    ok:
      queues:
        "line\nbreak":
        amq.mine:
        ` + strings.Repeat("n", 256) + `:
      exchanges: { amq.topic: , ".": }
`, []string{`5:5 MZ201 virtual host is empty`, `6:5 MZ201 no URL can hold`, `9:9 MZ201 control character`, `10:9 MZ202 "amq."`, `11:9 MZ201 256 bytes`, `12:20 MZ202 "amq."`, `12:33 MZ201 is "."`}},
	{"nodes of mirrors", `
rabbitmq:
  service: a
  vhosts:
    v:
      queues: { q: { type: classic } }
      policies:
        good: { pattern: "^q$", apply_to: queues, definition: { ha-mode: nodes, ha-params: [a@b] } }
        bad: { pattern: "^q$", apply_to: queues, priority: 1, definition: { ha-mode: nodes, ha-params: [a@b, 1] } }
`, []string{`9:77 MZ216 list of names of nodes`}},
	{"fields that become a policy", `
rabbitmq:
  service: a
  vhosts:
    v:
      exchanges: { dlx: }
      queues:
        a: { max_age: 7D }
        b: { type: stream, max_age: week }
        c: { dead_letter_routing_key: k }
        d: { type: quorum, dead_letter_exchange: dlx, dead_letter_strategy: at-least-once }
        e: { message_ttl: 5, arguments: { x-message-ttl: 5 } }
        f: { max_length: 5 }
      policies: { p: { pattern: "^f$", definition: { max-length: 6, message-ttl: 5 } } }
`, []string{`8:14 MZ204 a classic queue does not take max_age`, `9:28 MZ205 max_age must be`, `10:14 MZ208 dead_letter_routing_key does nothing`, `11:55 MZ224 at least once`, `12:14 MZ212 both say it`, `12:43 MZ207 x-message-ttl`, `13:9 MZ232 takes over message-ttl, and overrides max-length`}},
	{"types of queues", `
rabbitmq:
  service: a
  vhosts:
    v:
      default_queue_type: quorum
      queues:
        a: { type: quorum, durable: false }
        b: { type: stream, auto_delete: true }
        c: { auto_delete: true }
        d: { type: classic, auto_delete: true, durable: false }
`, []string{`8:28 MZ203 always durable`, `9:28 MZ203 cannot delete itself`, `10:14 MZ203 cannot delete itself`}},
	{"arguments", `
rabbitmq:
  service: a
  vhosts:
    v:
      queues:
        a: { type: quorum, arguments: { x-max-priority: 5 } }
        b: { type: stream, arguments: { x-message-ttl: 5 } }
        c: { arguments: { x-max-age: 7D, x-delivery-limit: 5 } }
        d: { arguments: { x-max-priority: 256, x-queue-mode: fast, x-single-active-consumer: "yes" } }
        e: { type: stream, arguments: { x-max-age: 7 days } }
        f: { arguments: { x-max-priorities: 5, own: 1 } }
        g: { arguments: { max-length: 5 } }
        h: { arguments: { x-dead-letter-routing-key: k } }
        i: { type: quorum, arguments: { x-queue-type: stream } }
        j: { arguments: { x-max-priority: 5.0 } }
        k: { arguments: { x-max-priority: "5" } }
`, []string{
		`7:41 MZ204 a quorum queue does not take the argument x-max-priority`, `8:41 MZ204 stream queue does not take`,
		`9:27 MZ204 classic queue does not take the argument x-max-age`, `9:42 MZ204 x-delivery-limit`,
		`10:27 MZ205 from 0 to 255, not 256`, `10:48 MZ206 one of default, lazy, not "fast"`, `10:48 MZ207 replacing the queue`,
		`10:68 MZ205 true or false, not "yes"`,
		`11:41 MZ205 such as 7D, not "7 days"`, `11:41 MZ207 replacing`, `12:27 MZ206 no queue knows the argument "x-max-priorities"`,
		`13:27 MZ206 "max-length"`,
		`14:27 MZ208 needs x-dead-letter-exchange`, `14:27 MZ207 replacing`, `15:41 MZ212 say different things`, `16:27 MZ205 not 5.0`,
	}},
	{"dead letters", `
rabbitmq:
  service: a
  vhosts:
    v:
      exchanges: { orders.dlx: , x: { alternate_exchange: nowhere }, y: { arguments: { alternate-exchange: 5 } } }
      queues:
        a: { type: quorum, arguments: { x-dead-letter-exchange: orders.dxl, x-dead-letter-strategy: at-least-once } }
      policies:
        p: { pattern: "^a$", apply_to: queues, definition: { dead-letter-exchange: gone, dead-letter-strategy: at-least-once } }
`, []string{`6:39 MZ209 alternate exchange "nowhere"`, `6:70 MZ205 must be the name of an exchange`, `8:41 MZ209 "orders.dxl" is not declared`, `8:41 MZ207 x-dead-letter-exchange, x-dead-letter-strategy as arguments`, `8:77 MZ224 at least once`, `10:62 MZ209 "gone"`, `10:90 MZ224 at least once`}},
	{"exchanges", `
rabbitmq:
  service: a
  vhosts:
    v:
      exchanges:
        a: { type: topics }
        b: { type: x-own }
        c: { type: x-delayed-message }
`, []string{`7:14 MZ210 no broker knows exchanges of type "topics"`, `9:14 MZ208 x-delayed-type`}},
	{"bindings", `
rabbitmq:
  service: a
  vhosts:
    v:
      exchanges: { d: , f: { type: fanout }, h: { type: headers }, t: { type: topic } }
      queues: { q: }
      bindings:
        - { source: d, queue: q, exchange: t }
        - { source: d }
        - { source: "", queue: q }
        - { source: f, queue: q, routing_key: k }
        - { source: h, queue: q, arguments: { x-match: some } }
        - { source: h, queue: q }
        - { source: d, queue: q, routing_key: "a.*" }
        - { source: amq.direct, queue: q, routing_key: "#" }
        - { source: t, queue: q, routing_key: "a~b", arguments: { a: 1 } }
        - { source: nowhere, queue: none }
        - { source: t, queue: q, routing_key: "a\nb" }
`, []string{
		`9:34 MZ211 not to both`, `10:11 MZ211 does not say where`, `11:13 MZ202 default exchange`, `12:34 MZ213 a fanout exchange ignores`,
		`13:47 MZ205 x-match must be`,
		`14:11 MZ213 matches every message`, `15:34 MZ213 literally`, `16:43 MZ213 literally`, `17:34 MZ214 unable to list`,
		`18:13 - refers to exchange/v/nowhere`, `18:30 - refers to queue/v/none`, `19:34 MZ201 control character`,
	}},
	{"policies", `
rabbitmq:
  service: a
  vhosts:
    v:
      exchanges: { x: }
      queues: { orders.a: { type: quorum }, orders.b: , log: { type: stream } }
      policies:
        a: { pattern: "^orders", apply_to: queues, definition: { x-message-ttl: 5 } }
        b: { pattern: "^orders", apply_to: queues, priority: 1, definition: { message-ttl: -1, overflow: never } }
        c: { pattern: "^orders", apply_to: classic_queues, priority: 1, definition: { delivery-limit: 5 } }
        d: { pattern: "^order$", definition: { message-ttl: 5 } }
        e: { pattern: "x", apply_to: queues, priority: 9, definition: { alternate-exchange: x } }
        f: { pattern: "(", definition: {} }
        g: { pattern: "^log(?!s)", definition: { max-age: 1D } }
        h: { pattern: "^log", apply_to: streams, definition: { single-active-consumer: true } }
        i: { pattern: "^x$", apply_to: exchanges, definition: { federation-upstream: a, federation-upstream-set: b } }
      operator_policies:
        o: { pattern: "^log", definition: { dead-letter-exchange: x } }
`, []string{
		`9:66 MZ215 no policy knows the key "x-message-ttl"`, `10:79 MZ216 of at least 0`, `10:96 MZ216 one of drop-head`,
		`11:9 MZ220 policy/v/b and policy/v/c both match queue/v/orders.b`, `11:87 MZ217 no effect on classic queues`,
		`12:14 MZ219 policy/v/d matches nothing`, `13:14 MZ219 matches nothing`, `13:14 MZ223 anywhere in a name`,
		`13:73 MZ217 alternate-exchange has no effect on queues`,
		`14:14 MZ221 missing closing )`, `14:40 MZ215 the definition is empty`, `15:14 MZ222 cannot be checked here`,
		`16:64 MZ215 "single-active-consumer"`,
		`17:65 MZ216 exclude each other`, `19:45 MZ218 an operator policy cannot set "dead-letter-exchange"`,
	}},
	{"users", `
rabbitmq:
  service: a
  management: { username: admin }
  users:
    a: { password_hash: "", tags: [é] }
    b: { tags: [] }
    c: { password_hash: "!!" }
    d: { password_hash: "YWJj" }
    e: { external: true, tags: [a] }
    f: { password_hash: "", hashing_algorithm: bcrypt }
    admin: { password_hash: "", tags: [monitoring] }
  vhosts:
    v:
      permissions:
        nobody: { configure: "", write: "", read: "" }
        admin: { configure: "", write: ".*", read: ".*" }
        a: { configure: "", write: "orders", read: "^x|y" }
`, []string{
		`6:29 MZ226 not ASCII`, `7:5 MZ225 no password`, `8:10 MZ225 not base64`, `9:10 MZ225 has 3 bytes`, `10:26 MZ228 never applied`,
		`11:48 MZ021 none of sha256`, `12:33 MZ227 no longer be an administrator`, `16:9 - refers to user/nobody`,
		`17:18 MZ227 midaz logs in as admin`, `18:29 MZ223 anywhere`, `18:46 MZ223 anywhere`,
	}},
	{"parameters and limits", `
rabbitmq:
  service: a
  global_parameters: { midaz.x: { value: 1 }, cluster_name: { value: c } }
  vhosts:
    v:
      limits: { max_queues: -1 }
      parameters:
        shovels: { a: { value: { src-queue: a } } }
        shovel:
          b: { value: { src-uri: "amqp://", dest-uri: "amqp://", src-queue: a, src-exchange: b, src-delete-after: queue-length } }
        policy: { c: { value: { a: 1 } } }
`, []string{`4:24 MZ202 belongs to the broker or to midaz`, `7:7 MZ230 limit nothing`, `9:20 MZ229 has the component "shovels"`, `11:80 MZ229 exclude each other`, `11:97 MZ229 deletes itself`, `12:19 MZ202 section of its own`}},
	{"what a plugin refuses", `
rabbitmq:
  service: a
  vhosts:
    v:
      parameters:
        shovel: { a: { value: { src-uri: "http://h", src-queue: q, dest-uri: "amqp://", ack-mode: never, nonsense: 1 } }, b: { value: [ 1 ] } }
        federation-upstream: { u: { value: { ack-mode: on-confirm, prefetch-count: many } } }
        federation-upstream-set: { s: { value: [ { exchange: x } ] } }
`, []string{`7:33 MZ229 src-uri must be an AMQP URI`, `7:89 MZ229 ack-mode must be one of`, `7:106 MZ229 refuses the key "nonsense"`, `7:128 MZ229 a shovel is a map`,
		`8:37 MZ229 has no uri`, `8:68 MZ229 prefetch-count must be a number`, `9:50 MZ229 names no upstream`}},
	{"the version in the image's tag", `
services: { a: { image: "example.org:5000/rabbitmq:4.1.2-management" } }
rabbitmq:
  service: a
  vhosts:
    v:
      queues: { q: {} }
      policies: { p: { pattern: "^q", definition: { ha-mode: all } } }
`, []string{`8:53 MZ234 RabbitMQ 4.1 refuses the key ha-mode`}},
	{"a broker elsewhere", `
rabbitmq:
  url: http://a
  vhosts:
    v:
      queues: { q: { pause_publishers: true } }
`, []string{`6:22 MZ233 not a service of this stack`}},
	{"refused keys", `
rabbitmq:
  service: a
  vhosts:
    v:
      queues: { q: { exclusive: true, ttl: 5 } }
      bindings: [ { source: amq.topic, destination: q, queue: q } ]
`, []string{`6:22 MZ023 exclusive queue belongs to one connection`, `6:39 MZ023 key "ttl" is not supported`, `7:40 MZ023 write `}},
	{"an external virtual host may hold anything", `
rabbitmq:
  service: a
  vhosts:
    v:
      external: true
      queues: { q: { type: quorum, arguments: { x-single-active-consumer: true } } }
      bindings: [ { source: theirs, queue: q } ]
      policies: { p: { pattern: "^theirs", apply_to: queues, definition: { dead-letter-exchange: their.dlx } } }
`, nil},
}

func TestFindings(t *testing.T) {
	for _, f := range findings {
		t.Run(f.name, func(t *testing.T) {
			_, problems := declare(t, f.spec)
			var got []string
			for _, p := range problems {
				if p.Rule == resources.RuleLiteralSecret {
					continue
				}
				code := "-"
				if p.Rule != nil {
					code = p.Rule.Code
				}
				got = append(got, fmt.Sprintf("%d:%d %s %s", p.Pos.Line, p.Pos.Col, code, p.Msg))
			}
			for i := range max(len(got), len(f.want)) {
				switch {
				case i >= len(got):
					t.Errorf("missing: %s", f.want[i])
				case i >= len(f.want):
					t.Errorf("too much: %s", got[i])
				default:
					place, part, _ := strings.Cut(f.want[i], " ")
					code, part, _ := strings.Cut(part, " ")
					if !strings.HasPrefix(got[i], place+" "+code+" ") || !strings.Contains(got[i], part) {
						t.Errorf("got  %s\nwant %s", got[i], f.want[i])
					}
				}
			}
		})
	}
}

func TestEveryRuleIsBrokenOnce(t *testing.T) {
	seen := map[*specs.Rule]bool{}
	for _, f := range findings {
		_, problems := declare(t, f.spec)
		for _, p := range problems {
			seen[p.Rule] = true
		}
	}
	for _, r := range rabbitmq.Rules() {
		if !seen[r] {
			t.Errorf("no spec breaks rule %s, %s", r.Code, r.Title)
		}
	}
}

func TestRulesAreExplained(t *testing.T) {
	var codes []string
	for _, r := range rabbitmq.Rules() {
		if !regexp.MustCompile(`^MZ2[0-4][0-9]$`).MatchString(r.Code) || slices.Contains(codes, r.Code) {
			t.Errorf("code %s: not in MZ200 to MZ249, or twice", r.Code)
		}
		codes = append(codes, r.Code)
		if r.Title == "" || !strings.Contains(r.Explain, "```yaml\n") || r.Severity != specs.Error && r.Severity != specs.Warning {
			t.Errorf("%s: without title, example or severity", r.Code)
		}
	}
}
