package brokertest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"regexp"
	"strings"
)

const defaultAlgorithm = "rabbit_password_hashing_sha256"

func hashPassword(password string) string {
	salt := make([]byte, 4)
	_, _ = rand.Read(salt)
	sum := sha256.Sum256(append(salt[:4:4], password...))
	return base64.StdEncoding.EncodeToString(append(salt, sum[:]...))
}

// checkPassword logs a user in; of the algorithms only the default one is
// needed for that.
func checkPassword(user object, password string) bool {
	raw, err := base64.StdEncoding.DecodeString(user["password_hash"].(string))
	if err != nil || len(raw) < 5 || user["hashing_algorithm"] != defaultAlgorithm {
		return false
	}
	sum := sha256.Sum256(append(raw[:4:4], password...))
	return string(sum[:]) == string(raw[4:])
}

// Login reports whether a user could log in.
func (b *Broker) Login(user, password string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.users[user]
	return u != nil && checkPassword(u, password)
}

func (b *Broker) makeVhost(name string, o object, by string) {
	o["name"], o["tracing"] = name, o["tracing"] == true
	if o["description"] == nil {
		o["description"] = ""
	}
	o["tags"] = words(o["tags"])
	switch {
	case !b.since("3.12"):
		o["default_queue_type"] = "undefined"
	case o["default_queue_type"] == nil:
		o["default_queue_type"] = "classic"
	}
	if b.since("4.1") {
		o["protected_from_deletion"] = false
	}
	b.vhosts[name] = o
	b.permissions[[2]string{name, by}] = object{"vhost": name, "user": by, "configure": ".*", "write": ".*", "read": ".*"}
	for x, t := range map[string]string{"": "direct", "amq.direct": "direct", "amq.fanout": "fanout", "amq.headers": "headers",
		"amq.match": "headers", "amq.topic": "topic", "amq.rabbitmq.trace": "topic"} {
		b.exchanges[[2]string{name, x}] = object{"vhost": name, "name": x, "type": t, "durable": true, "auto_delete": false,
			"internal": x == "amq.rabbitmq.trace", "arguments": object{}}
	}
}

func words(v any) []any {
	out := []any{}
	switch v := v.(type) {
	case []any:
		out = append(out, v...)
	case string:
		for w := range strings.SplitSeq(v, ",") {
			if w != "" {
				out = append(out, w)
			}
		}
	}
	return out
}

var _ = register("vhosts", endpoint{serve: (*Broker).vhost})

func (b *Broker) vhost(c *call) {
	name := c.part(1)
	have := b.vhosts[name]
	if len(c.parts) == 1 {
		ok(sorted(b.vhosts))
	}
	if len(c.parts) == 4 && c.part(3) == "protection" {
		if !b.since("4.1") || have == nil {
			notFound()
		}
		have["protected_from_deletion"] = c.method == http.MethodPost
		done(false)
	}
	switch c.method {
	case http.MethodGet:
		if have == nil {
			notFound()
		}
		ok(have)
	case http.MethodPut:
		c.needAdmin()
		if have == nil {
			b.makeVhost(name, object{"description": c.body["description"], "tags": c.body["tags"], "tracing": c.body["tracing"],
				"default_queue_type": c.body["default_queue_type"]}, c.user)
			done(true)
		}
		have["description"], have["tags"], have["tracing"] = c.text("description"), words(c.body["tags"]), c.body["tracing"] == true
		switch t, sent := c.body["default_queue_type"]; {
		case !b.since("3.12"):
		case sent:
			have["default_queue_type"] = t
		case b.since("4.3"):
			have["default_queue_type"] = "classic"
		}
		done(false)
	case http.MethodDelete:
		c.needAdmin()
		if have == nil {
			notFound()
		}
		if have["protected_from_deletion"] == true {
			panic(answer{http.StatusPreconditionFailed, object{"error": "precondition_failed", "reason": "protected from deletion"}})
		}
		b.dropVhost(name)
		done(false)
	}
}

func (b *Broker) dropVhost(name string) {
	delete(b.vhosts, name)
	for _, e := range endpoints {
		if e.dropVhost != nil {
			e.dropVhost(b, name)
		}
	}
}

func dropWhere(m map[[2]string]object, vhost string) {
	maps.DeleteFunc(m, func(k [2]string, _ object) bool { return k[0] == vhost })
}

var _ = register("users", endpoint{serve: (*Broker).user})

func (b *Broker) user(c *call) {
	c.needAdmin()
	name := c.part(1)
	have := b.users[name]
	if len(c.parts) == 1 {
		ok(sorted(b.users))
	}
	switch c.method {
	case http.MethodGet:
		if have == nil {
			notFound()
		}
		ok(have)
	case http.MethodPut:
		if _, sent := c.body["tags"]; !sent {
			badRequest("tags_not_present")
		}
		hash, byHash := c.body["password_hash"].(string)
		password, byPassword := c.body["password"].(string)
		algorithm := defaultAlgorithm
		switch {
		case byHash && byPassword:
			badRequest("both_password_and_password_hash_are_provided")
		case byHash:
			if a := c.text("hashing_algorithm"); a != "" {
				algorithm = a
			}
		case byPassword:
			hash = hashPassword(password)
		default: // neither: the password is erased
		}
		b.users[name] = object{"name": name, "tags": words(c.body["tags"]), "password_hash": hash, "hashing_algorithm": algorithm,
			"limits": object{}}
		done(have == nil)
	case http.MethodDelete:
		if have == nil {
			notFound()
		}
		delete(b.users, name)
		for _, e := range endpoints {
			if e.dropUser != nil {
				e.dropUser(b, name)
			}
		}
		done(false)
	}
}

// checkRegexes refuses what the broker's engine cannot read, with a reason that
// is an Erlang term.
func checkRegexes(c *call, keys ...string) {
	for _, key := range keys {
		pattern, sent := c.body[key].(string)
		if !sent {
			refuse(http.StatusBadRequest, "bad_request", "key_missing: "+key)
		}
		if _, err := regexp.Compile(pattern); err != nil {
			refuse(http.StatusBadRequest, "bad_request", []any{"invalid_regexp", codes(pattern), []any{codes("missing )"), 1}})
		}
	}
}

func codes(s string) []any {
	out := []any{}
	for _, r := range s {
		out = append(out, int(r))
	}
	return out
}

var _ = register("permissions", endpoint{
	serve:     (*Broker).permission,
	dropVhost: func(b *Broker, vhost string) { dropWhere(b.permissions, vhost) },
	dropUser: func(b *Broker, user string) {
		maps.DeleteFunc(b.permissions, func(k [2]string, _ object) bool { return k[1] == user })
	},
})

func (b *Broker) permission(c *call) {
	c.needAdmin()
	if len(c.parts) == 1 {
		ok(sorted(b.permissions))
	}
	key := [2]string{c.part(1), c.part(2)}
	have := b.permissions[key]
	switch c.method {
	case http.MethodGet:
		if have == nil {
			notFound()
		}
		ok(have)
	case http.MethodPut:
		checkRegexes(c, "configure", "write", "read")
		if b.vhosts[key[0]] == nil || b.users[key[1]] == nil {
			badRequest("vhost_or_user_not_found")
		}
		b.permissions[key] = object{"vhost": key[0], "user": key[1], "configure": c.body["configure"], "write": c.body["write"],
			"read": c.body["read"]}
		done(have == nil)
	case http.MethodDelete:
		if have == nil {
			notFound()
		}
		delete(b.permissions, key)
		done(false)
	}
}

var _ = register("topic-permissions", endpoint{
	serve: (*Broker).topicPermission,
	dropVhost: func(b *Broker, vhost string) {
		maps.DeleteFunc(b.topics, func(k [3]string, _ object) bool { return k[0] == vhost })
	},
	dropUser: func(b *Broker, user string) {
		maps.DeleteFunc(b.topics, func(k [3]string, _ object) bool { return k[1] == user })
	},
})

func (b *Broker) topicPermission(c *call) {
	c.needAdmin()
	if len(c.parts) == 1 {
		ok(sorted(b.topics))
	}
	vhost, user := c.part(1), c.part(2)
	switch c.method {
	case http.MethodGet:
		out := []any{}
		for k, o := range b.topics {
			if k[0] == vhost && k[1] == user {
				out = append(out, o)
			}
		}
		if len(out) == 0 {
			notFound()
		}
		ok(out)
	case http.MethodPut:
		checkRegexes(c, "write", "read")
		x := c.text("exchange")
		if b.vhosts[vhost] == nil || b.users[user] == nil {
			badRequest("vhost_or_user_not_found")
		}
		if b.since("4.3") && b.exchanges[[2]string{vhost, x}] == nil {
			badRequest("no_such_exchange")
		}
		b.topics[[3]string{vhost, user, x}] = object{"vhost": vhost, "user": user, "exchange": x, "write": c.body["write"],
			"read": c.body["read"]}
		done(false)
	case http.MethodDelete:
		for k := range b.topics {
			if k[0] == vhost && k[1] == user && (len(c.parts) < 4 || k[2] == c.part(3)) {
				delete(b.topics, k)
			}
		}
		done(false)
	}
}

var (
	_ = register("vhost-limits", endpoint{
		serve:     func(b *Broker, c *call) { b.limit(c, b.vhostLimits, "vhost") },
		dropVhost: func(b *Broker, vhost string) { delete(b.vhostLimits, vhost) },
	})
	_ = register("user-limits", endpoint{
		serve:    func(b *Broker, c *call) { b.limit(c, b.userLimits, "user") },
		dropUser: func(b *Broker, user string) { delete(b.userLimits, user) },
	})
)

func (b *Broker) limit(c *call, m map[string]map[string]any, of string) {
	row := func(name string) object { return object{of: name, "value": object(m[name])} }
	switch {
	case c.method == http.MethodGet && len(c.parts) == 1:
		out := []any{}
		for name := range m {
			out = append(out, row(name))
		}
		ok(out)
	case c.method == http.MethodGet:
		if len(m[c.part(1)]) == 0 {
			ok([]any{})
		}
		ok([]any{row(c.part(1))})
	case c.method == http.MethodPut:
		if m[c.part(1)] == nil {
			m[c.part(1)] = map[string]any{}
		}
		m[c.part(1)][c.part(2)] = c.body["value"]
		done(false)
	case c.method == http.MethodDelete:
		delete(m[c.part(1)], c.part(2))
		if len(m[c.part(1)]) == 0 {
			delete(m, c.part(1))
		}
		done(false)
	}
}
