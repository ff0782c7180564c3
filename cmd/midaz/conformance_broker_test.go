//go:build e2e

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/enginetest"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/brokertest"
)

// TestConformanceOfBrokers tries every row of every RabbitMQ kind on each broker
// that MIDAZ_CONFORMANCE_BROKERS names (http://user:password@host:port …), as
// TestConformance does on engines. `.ci/brokers test` runs it.
func TestConformanceOfBrokers(t *testing.T) {
	addresses := strings.Fields(os.Getenv("MIDAZ_CONFORMANCE_BROKERS"))
	if len(addresses) == 0 {
		t.Skip("MIDAZ_CONFORMANCE_BROKERS is not set")
	}
	columns := make([]enginetest.Column, len(addresses))
	t.Run("brokers", func(t *testing.T) {
		for i, address := range addresses {
			b := openConformanceBroker(t, address)
			columns[i].Name = b.version
			t.Run(b.version, func(t *testing.T) {
				t.Parallel()
				columns[i].Results = rowsOf(t, rabbitmq.Kinds(), b.open, b.subjects(t))
			})
		}
	})
	if dir := os.Getenv("MIDAZ_CONFORMANCE_DOCS"); dir != "" {
		writeBetween(t, filepath.Join(dir, "docs", "conformance.md"), "brokers", enginetest.Table(columns))
		writeBetween(t, filepath.Join(dir, "README.md"), "brokers", enginetest.Summary(columns))
	}
}

// conformanceBroker is one broker under test.
type conformanceBroker struct {
	*brokertest.Client
	version string
	prefix  string // of the names of everything it makes
}

func openConformanceBroker(t *testing.T, address string) *conformanceBroker {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		t.Fatal("MIDAZ_CONFORMANCE_BROKERS must hold http://user:password@host:port")
	}
	password, _ := u.User.Password()
	b := &conformanceBroker{Client: &brokertest.Client{URL: u.Scheme + "://" + u.Host, Username: u.User.Username(), Password: password},
		prefix: fmt.Sprintf("midaz-conf-%d", os.Getpid())}
	b.version = b.get(t, "/api/overview")["rabbitmq_version"].(string)
	return b
}

func (b *conformanceBroker) get(t testing.TB, path string) map[string]any {
	t.Helper()
	out, _ := b.Do(t, http.MethodGet, path, "").(map[string]any)
	return out
}

func (b *conformanceBroker) open(_ context.Context, d *resources.Declared) (engine.World, error) {
	w := rabbitmq.Open(rabbitmq.Options{Declared: d})
	return engine.World{Readers: w.Readers(), Writers: w.Writers()}, nil
}

// section is a part of a spec.
type section = map[string]any

// subjects are one resource of each kind, in stacks and virtual hosts of their
// own, whose name is `own`. A binding is not among them: it is named after all
// that it says, so that no field of it can change.
func (b *conformanceBroker) subjects(t *testing.T) []enginetest.Subject {
	inVhost := func(key string) func(own string, fields section) section {
		return func(own string, fields section) section {
			return section{"vhosts": section{own: section{key: section{"subject": fields}}}}
		}
	}
	user := section{"password": "a word"}
	return []enginetest.Subject{
		b.subject(t, "vhost", section{}, func(own string, fields section) section {
			return section{"vhosts": section{own: fields}}
		}),
		b.subject(t, "user", section{"password": "the first word"}, func(own string, fields section) section {
			if fields["password_hash"] != nil {
				delete(fields, "password")
			}
			return section{"users": section{own: fields}}
		}),
		b.subject(t, "user-limit", section{"max_connections": 5, "max_channels": 5}, func(own string, fields section) section {
			return section{"users": section{own: section{"password": "a word", "limits": fields}}}
		}),
		b.subject(t, "vhost-limit", section{"max_connections": 5, "max_queues": 5}, func(own string, fields section) section {
			return section{"vhosts": section{own: section{"limits": fields}}}
		}),
		b.subject(t, "permission", section{"configure": "", "write": "", "read": ""}, func(own string, fields section) section {
			return section{"users": section{own: user}, "vhosts": section{own: section{"permissions": section{own: fields}}}}
		}),
		b.subject(t, "topic-permission", section{"write": "", "read": ""}, func(own string, fields section) section {
			return section{"users": section{own: user}, "vhosts": section{own: section{
				"exchanges": section{"subject": section{"type": "topic"}}, "topic_permissions": section{own: section{"subject": fields}}}}}
		}),
		b.subject(t, "exchange", section{}, inVhost("exchanges")),
		b.subject(t, "queue", section{}, inVhost("queues")),
		b.subject(t, "policy", section{"pattern": "^nothing$", "definition": section{"max-length": 5}}, inVhost("policies")),
		b.subject(t, "operator-policy", section{"pattern": "^nothing$", "definition": section{"max-length": 5}}, inVhost("operator_policies")),
		b.subject(t, "parameter", section{"value": section{"uri": "amqp://none"}}, func(own string, fields section) section {
			return section{"vhosts": section{own: section{"parameters": section{"federation-upstream": section{"subject": fields}}}}}
		}),
		b.subject(t, "global-parameter", section{"value": "none"}, func(own string, fields section) section {
			return section{"global_parameters": section{own: fields}}
		}),
	}
}

// nameParts are the parts of a subject's address.
func nameParts(kind, own string) []string {
	switch kind {
	case "vhost", "user", "user-limit", "vhost-limit", "global-parameter":
		return []string{own}
	case "permission":
		return []string{own, own}
	case "topic-permission":
		return []string{own, own, "subject"}
	case "parameter":
		return []string{own, "federation-upstream", "subject"}
	default:
		return []string{own, "subject"}
	}
}

func (b *conformanceBroker) subject(t *testing.T, kind string, fields section,
	in func(own string, fields section) section) enginetest.Subject {
	own := b.prefix + "-" + kind
	o := &outsideBroker{b: b, kind: kind, own: own}
	t.Cleanup(func() { o.clear(t) })
	s := enginetest.Subject{
		Addr: resources.NewAddr(kind, nameParts(kind, own)...), Fields: fields, Outside: o,
		Spec: func(fields map[string]any) map[string]any {
			broker := in(own, fields)
			broker["url"] = b.URL
			broker["management"] = section{"username": b.Username, "password": b.Password}
			return section{"version": "1", "stack": own, "rabbitmq": broker}
		},
		Skip: map[string]string{"external": "it would be someone else's"},
		Values: map[string][2]string{
			"password":             {"one word", "another word"},
			"default_queue_type":   {"quorum", "stream"},
			"hashing_algorithm":    {"sha512", "md5"},
			"configure":            {"^a", "^b"},
			"write":                {"^a", "^b"},
			"read":                 {"^a", "^b"},
			"alternate_exchange":   {"amq.fanout", "amq.topic"},
			"dead_letter_exchange": {"amq.fanout", "amq.topic"},
		},
		With: map[string]string{
			"dead_letter_routing_key": "{dead_letter_exchange: amq.fanout}",
			"dead_letter_strategy":    "{type: quorum, overflow: reject-publish, dead_letter_exchange: amq.fanout}",
			"delivery_limit":          "{type: quorum}",
			"max_age":                 "{type: stream}",
		},
		Shows:  map[string][]string{"password": {"password"}, "password_hash": {"password"}, "hashing_algorithm": {"password"}},
		Stays:  []string{"hashing_algorithm"},
		Events: []enginetest.Event{{Name: "removed", Do: o.remove}},
	}
	if kind == "parameter" {
		s.Values["value"] = [2]string{`{uri: "amqp://one"}`, `{uri: "amqp://two"}`}
	}
	for _, k := range rabbitmq.Kinds() {
		for _, f := range k.Table().Fields {
			if f.Since != "" && k.Table().Kind == kind && b.older(f.Since) {
				s.Skip[f.Key] = "from RabbitMQ " + f.Since + " on"
			}
		}
	}
	return s
}

// older reports whether the broker is older than a version.
func (b *conformanceBroker) older(version string) bool {
	var have, want [3]int
	_, _ = fmt.Sscanf(b.version, "%d.%d.%d", &have[0], &have[1], &have[2])
	_, _ = fmt.Sscanf(version, "%d.%d.%d", &want[0], &want[1], &want[2])
	return slices.Compare(have[:], want[:]) < 0
}

// outsideBroker changes one object by the management API, as a person does:
// by writing it as it was, and where the broker does not change what is there,
// by deleting it first.
type outsideBroker struct {
	b         *conformanceBroker
	kind, own string
	was       any
}

// path is the object's own path.
func (o *outsideBroker) path() string {
	parts := nameParts(o.kind, o.own)
	switch o.kind {
	case "topic-permission":
		parts = parts[:2] // the last one is in the body
	case "parameter":
		parts[0], parts[1] = parts[1], parts[0]
	}
	endpoint := map[string]string{"policy": "policies", "operator-policy": "operator-policies"}[o.kind]
	return "/api/" + cmp.Or(endpoint, o.kind+"s") + "/" + strings.Join(parts, "/")
}

func (o *outsideBroker) Remember(t *testing.T) {
	t.Helper()
	o.was = o.b.Do(t, http.MethodGet, o.path(), "")
}

func (o *outsideBroker) Undo(t *testing.T, f *resources.Field) string {
	t.Helper()
	was, _ := o.was.(map[string]any)
	if list, ok := o.was.([]any); ok {
		was, _ = list[0].(map[string]any)
	}
	keys := map[string][]string{
		"vhost":            {"description", "tags", "tracing", "default_queue_type"},
		"user":             {"password_hash", "hashing_algorithm", "tags"},
		"permission":       {"configure", "write", "read"},
		"topic-permission": {"exchange", "write", "read"},
		"exchange":         {"type", "durable", "auto_delete", "internal", "arguments"},
		"queue":            {"durable", "auto_delete", "arguments"},
		"policy":           {"pattern", "definition", "apply-to", "priority"},
		"operator-policy":  {"pattern", "definition", "apply-to", "priority"},
		"parameter":        {"value"},
		"global-parameter": {"value"},
	}
	body := section{}
	for _, k := range keys[o.kind] {
		if v, ok := was[k]; ok {
			body[k] = v
		}
	}
	switch {
	case f.Key == "deletion_protection":
		o.protect(t, was["protected_from_deletion"] == true)
		return "POST, DELETE"
	case strings.HasSuffix(o.kind, "-limit"):
		limit := strings.ReplaceAll(f.Key, "_", "-")
		o.put(t, o.path()+"/"+limit, section{"value": was["value"].(map[string]any)[limit]})
		return "PUT"
	case o.kind == "exchange" || o.kind == "queue":
		if o.kind == "queue" && was["type"] != nil {
			arguments := section{"x-queue-type": was["type"]}
			maps.Copy(arguments, was["arguments"].(map[string]any))
			body["arguments"] = arguments
		}
		o.b.Do(t, http.MethodDelete, o.path(), "")
		o.put(t, o.path(), body)
		return "DELETE, PUT"
	default:
		o.put(t, o.path(), body)
		return "PUT"
	}
}

func (o *outsideBroker) put(t testing.TB, path string, body section) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	o.b.Do(t, http.MethodPut, path, string(data))
}

func (o *outsideBroker) protect(t testing.TB, on bool) {
	t.Helper()
	method := http.MethodDelete
	if on {
		method = http.MethodPost
	}
	o.b.Do(t, method, o.path()+"/deletion/protection", "")
}

// remove deletes the object.
func (o *outsideBroker) remove(t *testing.T) {
	t.Helper()
	if !strings.HasSuffix(o.kind, "-limit") {
		o.b.Do(t, http.MethodDelete, o.path(), "")
		return
	}
	for limit := range o.b.Do(t, http.MethodGet, o.path(), "").([]any)[0].(map[string]any)["value"].(map[string]any) {
		o.b.Do(t, http.MethodDelete, o.path()+"/"+limit, "")
	}
}

// clear deletes everything that was made for the subject.
func (o *outsideBroker) clear(t *testing.T) {
	for _, kind := range []string{"vhosts", "users", "global-parameters"} {
		for _, r := range o.b.Do(t, http.MethodGet, "/api/"+kind, "").([]any) {
			if name := r.(map[string]any)["name"].(string); name == o.own || name == "midaz."+o.own {
				o.b.Do(t, http.MethodDelete, "/api/"+kind+"/"+name, "")
			}
		}
	}
}
