package rabbitmq

import "github.com/LerianStudio/midaz-infra/specs"

// Rules of this package. Codes MZ200 to MZ249. Each explanation says why it
// matters and shows an example.
var (
	ruleBroker = &specs.Rule{Code: "MZ200", Severity: specs.Error, Title: "broker not reachable as written",
		Explain: "The `rabbitmq` section must say which broker it is about: `service:` for one that this stack runs, or `url:` for one " +
			"elsewhere, and never both. Credentials stand under `management`, not in the URL, where they would end up in " +
			"logs.\n\n```yaml\nrabbitmq:\n  service: rabbitmq\n  management: { username: midaz, password: \"${RABBITMQ_DEFAULT_PASS}\" }\n```"}
	ruleName = &specs.Rule{Code: "MZ201", Severity: specs.Error, Title: "name that the broker cannot keep",
		Explain: "AMQP allows 255 bytes for a name or routing key. The broker silently drops line breaks from names, so that the object made " +
			"is not the one declared; one name that is not UTF-8 makes it unable to list anything at all; and `.` and `..` cannot be part of a " +
			"URL. Names are shown everywhere, so a sensitive variable cannot be part of one.\n\n```yaml\nqueues:\n  orders.new: { type: quorum " +
			"}\n```"}
	ruleReserved = &specs.Rule{Code: "MZ202", Severity: specs.Error, Title: "reserved name",
		Explain: "Names beginning with `amq.` and the default exchange (the empty name) belong to the broker, which refuses to make or bind " +
			"them. `amq.direct`, `amq.topic` and the like may be used as the source of a binding without being declared. Global parameters named " +
			"`midaz.*` hold what midaz manages.\n\n```yaml\nbindings:\n  - { source: amq.topic, queue: orders.new, routing_key: order.created }\n```"}
	ruleQueueType = &specs.Rule{Code: "MZ203", Severity: specs.Error, Title: "property that the type of queue does not have",
		Explain: "Quorum queues and streams are always durable and never delete themselves; the broker refuses anything " +
			"else.\n\n```yaml\nqueues:\n  orders.new: { type: quorum }            # durable by itself\n  scratch:    { durable: false }          " +
			"# classic\n```"}
	ruleArgumentType = &specs.Rule{Code: "MZ204", Severity: specs.Error, Title: "argument that the type of queue does not take",
		Explain: "Each type of queue takes its own arguments, and the broker refuses a queue with one that is not among them: " +
			"`x-max-priority` on a quorum queue, `x-max-age` on anything but a stream.\n\n```yaml\nqueues:\n  orders.new: { type: quorum, " +
			"arguments: { x-delivery-limit: 5 } }\n  audit:      { type: stream, arguments: { x-max-age: 7D } }\n```"}
	ruleArgumentValue = &specs.Rule{Code: "MZ205", Severity: specs.Error, Title: "argument with a value it cannot have",
		Explain: "Numbers of the broker's own arguments must be whole numbers, written without a fraction: it refuses `60000.0` and " +
			"`\"60000\"` where it takes `60000`. Words must be among those it knows.\n\n```yaml\narguments: { x-message-ttl: 60000, x-overflow: " +
			"reject-publish }\n```"}
	ruleArgumentUnknown = &specs.Rule{Code: "MZ206", Severity: specs.Warning, Title: "argument that nothing reads",
		Explain: "The broker stores any argument and acts on those it knows. This one looks like a misspelling of one it knows, so it would " +
			"do nothing.\n\n```yaml\narguments: { x-message-ttl: 60000 }     # not x-messages-ttl\n```"}
	rulePolicyAdvice = &specs.Rule{Code: "MZ207", Severity: specs.Warning, Title: "setting that a policy holds better",
		Explain: "Arguments of a queue never change: a new time to live means a new queue, and what is in the old one must be moved or is " +
			"lost. A policy says the same, and changes while messages wait. Of two limits, in an argument and in a policy, the lower one " +
			"holds.\n\n```yaml\npolicies:\n  dlq-limits:\n    pattern: \"^orders\\\\.dlq$\"\n    apply_to: queues\n    definition: { " +
			"message-ttl: 604800000, max-length: 10000 }\n```"}
	ruleArgumentMissing = &specs.Rule{Code: "MZ208", Severity: specs.Error, Title: "argument that needs another one",
		Explain: "The broker refuses `x-dead-letter-routing-key` without `x-dead-letter-exchange`, and an exchange of type " +
			"`x-delayed-message` without `x-delayed-type`.\n\n```yaml\narguments: { x-dead-letter-exchange: orders.dlx, " +
			"x-dead-letter-routing-key: orders.dlq }\n```"}
	ruleLostTarget = &specs.Rule{Code: "MZ209", Severity: specs.Warning, Title: "dead-letter or alternate exchange that nobody declares",
		Explain: "The broker takes the name of an exchange that does not exist and then drops every message that should go there, without a " +
			"word. Declare the exchange, with `external: true` when an application makes it.\n\n```yaml\nexchanges:\n  orders.dlx: { type: " +
			"direct }\npolicies:\n  dead-letter: { pattern: \"^orders\\\\.\", apply_to: queues, definition: { dead-letter-exchange: orders.dlx } " +
			"}\n```"}
	ruleExchangeType = &specs.Rule{Code: "MZ210", Severity: specs.Error, Title: "type of exchange that does not exist",
		Explain: "The broker has direct, fanout, topic and headers exchanges; types of plugins begin with `x-`.\n\n```yaml\nexchanges:\n  " +
			"orders: { type: topic }\n```"}
	ruleBinding = &specs.Rule{Code: "MZ211", Severity: specs.Error, Title: "binding without one end",
		Explain: "A binding leads from a source to exactly one queue or exchange.\n\n```yaml\nbindings:\n  - { source: orders, queue: " +
			"orders.new, routing_key: order.created }\n  - { source: orders, exchange: audit, routing_key: \"#\" }\n```"}
	ruleTwoSpellings = &specs.Rule{Code: "MZ212", Severity: specs.Error, Title: "field and argument disagree",
		Explain: "A queue's `type` is the argument `x-queue-type`, and an exchange's `alternate_exchange` the argument `alternate-exchange`. " +
			"Both spellings are understood; when both are written they must agree.\n\n```yaml\nqueues:\n  orders.new: { type: quorum }\n```"}
	ruleRoutingKey = &specs.Rule{Code: "MZ213", Severity: specs.Warning, Title: "routing key or match without effect",
		Explain: "fanout and headers exchanges ignore routing keys, a direct exchange takes `*` and `#` literally, and a binding of a headers " +
			"exchange without arguments matches everything. What is written does not do what it seems to.\n\n```yaml\nexchanges:\n  orders: { " +
			"type: topic }\nbindings:\n  - { source: orders, queue: orders.new, routing_key: \"order.*\" }\n```"}
	ruleTilde = &specs.Rule{Code: "MZ214", Severity: specs.Error, Title: "binding that the broker could not list",
		Explain: "The broker names a binding by its routing key, a ~ and a hash of its arguments. When the key itself holds a ~ and there are " +
			"arguments, its management API fails with an internal error for every list of bindings of the virtual host, until the queue is " +
			"deleted. Seen on 4.0.5.\n\n```yaml\nbindings:\n  - { source: orders, queue: orders.new, arguments: { x-match: all, country: BR } }\n```"}
	rulePolicyKey = &specs.Rule{Code: "MZ215", Severity: specs.Error, Title: "policy key that does not exist",
		Explain: "The broker refuses a policy with a key it does not know, or with none. Keys of policies are written without the `x-` that " +
			"arguments have; a queue's type, priorities and single active consumer cannot be set by a policy.\n\n```yaml\ndefinition: { " +
			"message-ttl: 60000, max-length: 1000 }\n```"}
	rulePolicyValue = &specs.Rule{Code: "MZ216", Severity: specs.Error, Title: "policy with a value it cannot have",
		Explain: "The broker refuses a policy whose values are of the wrong type or out of range. Times are milliseconds as whole " +
			"numbers.\n\n```yaml\ndefinition: { message-ttl: 60000, overflow: reject-publish }\n```"}
	rulePolicyIdle = &specs.Rule{Code: "MZ217", Severity: specs.Warning, Title: "policy key without effect",
		Explain: "The broker takes any known key for any `apply_to` and ignores what does not fit: `alternate-exchange` on queues, " +
			"`delivery-limit` on classic queues.\n\n```yaml\napply_to: quorum_queues\ndefinition: { delivery-limit: 5 }\n```"}
	ruleOperatorKey = &specs.Rule{Code: "MZ218", Severity: specs.Error, Title: "key that an operator policy cannot set",
		Explain: "Operator policies set limits: expires, message-ttl, max-length, max-length-bytes, delivery-limit and, on newer brokers, " +
			"overflow and target-group-size. Everything else belongs in a policy.\n\n```yaml\noperator_policies:\n  ceiling: { pattern: \".*\", " +
			"apply_to: queues, definition: { max-length: 100000 } }\n```"}
	rulePolicyDead = &specs.Rule{Code: "MZ219", Severity: specs.Warning, Title: "policy that matches nothing",
		Explain: "No queue or exchange of the spec has a name that the pattern matches and a type that `apply_to` covers. A misspelled " +
			"pattern leaves queues without the dead-lettering or limits they were meant to have.\n\n```yaml\npattern: \"^transaction\\\\.dlq$\"  " +
			"    # in double quotes a backslash is written twice\n```"}
	rulePolicyClash = &specs.Rule{Code: "MZ220", Severity: specs.Warning, Title: "two policies of the same priority match",
		Explain: "Only one policy holds for a queue: the one of the highest priority. Between equal ones chance decides, and may decide " +
			"differently after a restart. They are never merged.\n\n```yaml\npolicies:\n  all:  { pattern: \"^orders\\\\.\", priority: 0, " +
			"definition: { dead-letter-exchange: orders.dlx } }\n  bulk: { pattern: \"^orders\\\\.bulk$\", priority: 10, definition: { " +
			"dead-letter-exchange: orders.dlx, max-length: 1000 } }\n```"}
	rulePattern = &specs.Rule{Code: "MZ221", Severity: specs.Error, Title: "regular expression not well formed",
		Explain: "The broker refuses a permission or policy whose regular expression it cannot read.\n\n```yaml\nwrite: " +
			"\"^transaction\\\\.\"\n```"}
	rulePatternPCRE = &specs.Rule{Code: "MZ222", Severity: specs.Warning, Title: "regular expression that cannot be checked here",
		Explain: "The broker's engine has lookaround, backreferences and more, which cannot be tried here: neither whether the expression is " +
			"well formed nor what it matches. The broker will say when it is applied. Where an expression without them says the same, it can be " +
			"checked before.\n\n```yaml\npattern: \"^orders\\\\.(new|paid)$\"       # in place of ^orders\\\\.(?!dlq)\n```"}
	ruleUnanchored = &specs.Rule{Code: "MZ223", Severity: specs.Warning, Title: "regular expression that is not anchored",
		Explain: "The broker looks for the expression anywhere in a name: `orders` also matches `not-my-orders`. In a permission that gives " +
			"more rights than it seems to.\n\n```yaml\nwrite: \"^orders\\\\.\"\n```"}
	ruleAtLeastOnce = &specs.Rule{Code: "MZ224", Severity: specs.Warning, Title: "dead-lettering at least once without what it needs",
		Explain: "`dead-letter-strategy: at-least-once` needs `overflow: reject-publish`; without, the broker silently dead-letters at most " +
			"once, so that messages can be lost.\n\n```yaml\ndefinition: { dead-letter-exchange: orders.dlx, dead-letter-strategy: " +
			"at-least-once, overflow: reject-publish }\n```"}
	rulePassword = &specs.Rule{Code: "MZ225", Severity: specs.Error, Title: "user without one way to log in",
		Explain: "A user has either a `password` or a `password_hash`. A hash is base64 of four bytes of salt and the digest, so its length " +
			"follows from the algorithm; the broker takes a wrong one and then refuses every login. `password_hash: \"\"` makes a user who logs " +
			"in only by certificate or token.\n\n```yaml\nusers:\n  transaction: { password: \"${RABBITMQ_TRANSACTION_PASS}\", tags: [] }\n```"}
	ruleTag = &specs.Rule{Code: "MZ226", Severity: specs.Error, Title: "tag that the broker garbles",
		Explain: "The broker returns tags with letters beyond ASCII in another encoding, so that they would differ for " +
			"ever.\n\n```yaml\ntags: [monitoring]\n```"}
	ruleOwnLogin = &specs.Rule{Code: "MZ227", Severity: specs.Error, Title: "midaz would lock itself out",
		Explain: "The user that midaz logs in as is declared with another password than under `management`, or without the tag or permissions " +
			"that midaz needs. The run that applies it would be the last that can.\n\n```yaml\nmanagement: { username: midaz, password: " +
			"\"${RABBITMQ_DEFAULT_PASS}\" }\nusers:\n  midaz: { password: \"${RABBITMQ_DEFAULT_PASS}\", tags: [administrator] }\n```"}
	ruleExternal = &specs.Rule{Code: "MZ228", Severity: specs.Error, Title: "field of something that is external",
		Explain: "With `external: true` an object is managed elsewhere: it must exist and is never changed, so a field beside it would never " +
			"be applied.\n\n```yaml\nvhosts:\n  reports: { external: true }\n```"}
	ruleParameter = &specs.Rule{Code: "MZ229", Severity: specs.Error, Title: "parameter that its plugin refuses",
		Explain: "The plugin that a parameter is for refuses what contradicts itself, and a parameter of a component that no plugin has " +
			"cannot be stored. A shovel that deletes itself is no state to be kept.\n\n```yaml\nparameters:\n  shovel:\n    copy: { value: { " +
			"src-uri: \"amqp://\", src-queue: a, dest-uri: \"amqp://\", dest-queue: b } }\n```"}
	ruleNoLimit = &specs.Rule{Code: "MZ230", Severity: specs.Error, Title: "limits that limit nothing",
		Explain: "A limit of -1, or none, is the same as no limit: there is nothing to manage.\n\n```yaml\nlimits: { max_queues: 100 }\n```"}
	ruleInsecure = &specs.Rule{Code: "MZ231", Severity: specs.Warning, Title: "certificate of the broker not verified",
		Explain: "With `insecure: true` anyone between midaz and the broker can answer in its place and read the administrator's " +
			"password.\n\n```yaml\nmanagement: { ca: certs/ca.pem }\n```"}
	rulePolicyShadowed = &specs.Rule{Code: "MZ232", Severity: specs.Warning, Title: "policy in whose place a generated one holds",
		Explain: "Time to live, length and dead-lettering written as fields of a queue become a policy for that queue. Only one policy holds " +
			"for a queue, so the generated one gets a higher priority than those of the spec that match too, and takes over what they set and " +
			"the queue does not. Later changes of either are carried over; but who reads the policy alone may think that it " +
			"holds.\n\n```yaml\nqueues:\n  orders.new: { type: quorum, message_ttl: 60000 }     # its own policy\npolicies:\n  others: { " +
			"pattern: \"^orders\\\\.(paid|sent)$\", apply_to: queues, definition: { max-length: 1000 } }\n```"}
	rulePause = &specs.Rule{Code: "MZ233", Severity: specs.Warning, Title: "publishers that cannot be held",
		Explain: "`pause_publishers` raises an alarm on the broker's node while a queue is gone for a moment, which only a command beside the " +
			"broker can do: no API has it. So the broker must be a `service` of the stack. On one elsewhere nobody is held, and the plan names " +
			"who publishes past all exchanges, and what that may lose.\n\n```yaml\nrabbitmq:\n  service: rabbitmq\n  vhosts:\n    /:\n      " +
			"queues: { orders.new: { type: quorum, pause_publishers: true } }\n```"}
)

var ruleRelease = &specs.Rule{Code: "MZ234", Severity: specs.Error, Title: "what this version of RabbitMQ refuses",
	Explain: "Versions of RabbitMQ differ in what they take: mirrored queues (`ha-mode`) are gone in 4.0, `apply_to: quorum_queues` needs " +
		"3.12, and 4.3 no longer knows `queue-master-locator`. The version is that of the broker, or the one in the tag of its service's " +
		"image; a plan is refused before anything is written.\n\n```yaml\npolicies:\n  mirrors: { pattern: \"^orders\\\\.\", definition: { " +
		"ha-mode: all } }   # 3.x only; on 4.x use quorum queues\n```"}

var rules = []*specs.Rule{
	ruleBroker, ruleName, ruleReserved, ruleQueueType, ruleArgumentType, ruleArgumentValue, ruleArgumentUnknown, rulePolicyAdvice,
	ruleArgumentMissing, ruleLostTarget, ruleExchangeType, ruleBinding, ruleTwoSpellings, ruleRoutingKey, ruleTilde, rulePolicyKey,
	rulePolicyValue, rulePolicyIdle, ruleOperatorKey, rulePolicyDead, rulePolicyClash, rulePattern, rulePatternPCRE, ruleUnanchored,
	ruleAtLeastOnce, rulePassword, ruleTag, ruleOwnLogin, ruleExternal, ruleParameter, ruleNoLimit, ruleInsecure,
	rulePolicyShadowed, rulePause, ruleRelease,
}
