package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
	"github.com/LerianStudio/midaz-infra/schema"
	"github.com/LerianStudio/midaz-infra/specs"
)

// imported is one import: the spec's text, and what it declares.
func imported(data []byte) (text []byte, declared *resources.Declared, problems specs.Problems, err error) {
	got, err := rabbitmq.Import(data, definitions.Options{Stack: "test"})
	if err != nil {
		return nil, nil, nil, err
	}
	values := map[string]string{}
	for _, s := range got.Secrets {
		values[s.Name] = s.Value
	}
	kinds := app.RealWorld().Kinds()
	spec, loaded := specs.Load(specs.Options{Files: []string{"-"}, Stdin: bytes.NewReader(got.Text),
		LookupEnv: func(name string) (string, bool) { v, ok := values[name]; return v, ok }})
	declared, decoded := engine.Resolve(spec, kinds)
	return got.Text, declared, schema.Quick(spec, kinds, loaded, decoded), nil
}

// fixpoint imports, exports and imports again. What is then declared is the
// same, and from then on texts are, letter by letter.
func fixpoint(t interface{ Fatalf(string, ...any) }, data []byte) {
	_, declared, problems, err := imported(data)
	if err != nil || problems.Errors() > 0 {
		return // the broker would refuse it too; that is told
	}
	first, err := rabbitmq.Definitions(declared, "")
	if err != nil {
		t.Fatalf("export: %v\n%s", err, data)
	}
	text, again, problems, err := imported(first.JSON)
	if err != nil || problems.Errors() > 0 {
		t.Fatalf("what was exported cannot be imported: %v %v\n%s", err, problems, first.JSON)
	}
	for _, r := range declared.Resources {
		now := again.Get(r.Addr)
		if now == nil || !resources.Equal(map[string]any(r.Config), map[string]any(now.Config)) && !r.External {
			t.Fatalf("%s: %v became %v\n%s\n%s", r.Addr, r.Config, now, data, text)
		}
	}
	second, err := rabbitmq.Definitions(again, "")
	if err != nil || !bytes.Equal(first.JSON, second.JSON) {
		t.Fatalf("no fixpoint: %v\n%s\n%s", err, first.JSON, second.JSON)
	}
}

// TestImportOfThePlatform imports the definitions file of the platform itself,
// where there is one.
func TestImportOfThePlatform(t *testing.T) {
	path := os.Getenv("MIDAZ_TEST_DEFINITIONS")
	if path == "" {
		t.Skip("MIDAZ_TEST_DEFINITIONS names no definitions file")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Skip(err)
	}
	got, err := rabbitmq.Import(data, definitions.Options{Stack: "test"})
	if err != nil || len(got.Notes) > 0 {
		t.Fatalf("it is not carried whole: %v %v", err, got.Notes)
	}
	if _, _, problems, _ := imported(data); problems.Errors() > 0 {
		t.Errorf("the spec is not valid: %v", problems)
	}
	var doc map[string][]any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc["queues"]) != got.Queues || len(doc["exchanges"]) != got.Exchanges || len(doc["bindings"]) != got.Bindings ||
		len(doc["users"]) != got.Users {
		t.Errorf("something is missing: %+v", got)
	}
	fixpoint(t, data)
}

// TestDefinitionsFixpoint: import, export, import loses nothing.
func TestDefinitionsFixpoint(t *testing.T) {
	name := rapid.OneOf(rapid.SampledFrom([]string{"a", "b", "x-a", "<<", "true", "123", "a.b", "a/b", "$x", "${X}", "ü %@#", "null", "- a",
		"a: b", "~"}), rapid.StringN(1, 6, 40))
	value := rapid.OneOf(rapid.Custom(func(t *rapid.T) any { return name.Draw(t, "text") }),
		rapid.SampledFrom([]any{1, -7, int64(1) << 40, 2.5, 1e30, 1e-7, true, false, []any{"a", 1}, map[string]any{"k": "$v", "l": []any{}},
			json.RawMessage("3.0"), json.RawMessage("1E5")}))
	arguments := rapid.MapOfN(rapid.SampledFrom([]string{"x-owner", "k", "x-more", "$a"}), value, 0, 3)
	rapid.Check(t, func(t *rapid.T) {
		vhost := rapid.SampledFrom([]string{"/", "v", "a b"})
		doc := map[string][]any{"vhosts": {map[string]any{"name": "/", "description": name.Draw(t, "about"), "tags": "b,a"}}}
		var exchanges, queues [][2]string
		for range rapid.IntRange(0, 4).Draw(t, "exchanges") {
			x := [2]string{vhost.Draw(t, "vhost"), name.Draw(t, "name")}
			exchanges = append(exchanges, x)
			doc["exchanges"] = append(doc["exchanges"],
				map[string]any{"vhost": x[0], "name": x[1], "type": rapid.SampledFrom([]string{"direct", "topic", "x-random"}).Draw(t, "type"),
					"durable": rapid.Bool().Draw(t, "durable"), "auto_delete": rapid.SampledFrom([]any{true, false, "undefined"}).Draw(t, "auto_delete"),
					"arguments": arguments.Draw(t, "arguments")})
		}
		for range rapid.IntRange(0, 4).Draw(t, "queues") {
			q := [2]string{vhost.Draw(t, "vhost"), name.Draw(t, "name")}
			queues = append(queues, q)
			row := map[string]any{"vhost": q[0], "name": q[1], "durable": true, "arguments": arguments.Draw(t, "arguments")}
			if kind := rapid.SampledFrom([]string{"", "classic", "quorum", "stream"}).Draw(t, "type"); kind != "" {
				row["arguments"].(map[string]any)["x-queue-type"] = kind
			}
			doc["queues"] = append(doc["queues"], row)
		}
		for range rapid.IntRange(0, 5).Draw(t, "bindings") {
			if len(exchanges)*len(queues) == 0 {
				break
			}
			x := rapid.SampledFrom(exchanges).Draw(t, "source")
			to, kind := rapid.SampledFrom(queues).Draw(t, "queue"), "queue"
			if rapid.Bool().Draw(t, "to exchange") {
				to, kind = rapid.SampledFrom(exchanges).Draw(t, "exchange"), "exchange"
			}
			doc["bindings"] = append(doc["bindings"], map[string]any{"vhost": x[0], "source": x[1], "destination": to[1], "destination_type": kind,
				"routing_key": name.Draw(t, "key"), "arguments": arguments.Draw(t, "arguments")})
		}
		for range rapid.IntRange(0, 2).Draw(t, "users") {
			doc["users"] = append(doc["users"], map[string]any{"name": name.Draw(t, "user"),
				"tags":          rapid.SampledFrom([]any{"", "a,b", []string{"management"}}).Draw(t, "tags"),
				"password_hash": rapid.SampledFrom([]string{"", "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "bad"}).Draw(t, "hash"),
				"hashing_algorithm": rapid.SampledFrom([]string{"rabbit_password_hashing_sha256", "rabbit_password_hashing_sha512", "other"}).Draw(t,
					"algorithm"), "limits": map[string]any{"max-channels": rapid.IntRange(-1, 5).Draw(t, "limit")}})
		}
		for range rapid.IntRange(0, 2).Draw(t, "policies") {
			doc["policies"] = append(doc["policies"], map[string]any{"vhost": vhost.Draw(t, "vhost"), "name": name.Draw(t, "name"), "pattern": "^a$",
				"priority": rapid.IntRange(0, 3).Draw(t, "priority"),
				"apply-to": rapid.SampledFrom([]string{"all", "queues"}).Draw(t, "to"), "definition": map[string]any{"max-length": 5,
					"dead-letter-exchange": name.Draw(t, "dlx")}})
		}
		doc["global_parameters"] = []any{map[string]any{"name": name.Draw(t, "global"), "value": value.Draw(t, "value")}}
		data, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		fixpoint(t, data)
	})
}

// TestImportOfForms: what the exports of other versions and of rabbitmqctl say
// in another form is the same spec.
func TestImportOfForms(t *testing.T) {
	for name, forms := range map[string][2]string{
		"operator policy": {`{"vhosts":[{"name":"v"}],"parameters":[{"component":"operator_policy","name":"o","vhost":"v","value":{"pattern":"^a","apply-to":"queues","priority":0,"definition":{"max-length":5}}}]}`,
			`{"vhosts":[{"name":"v","limits":[]}],"parameters":[{"component":"operator_policy","name":"o","vhost":"v","value":[["pattern","^a"],["apply-to","queues"],["priority",0],["definition",[["max-length",5]]]]}]}`},
		"policy": {`{"vhosts":[{"name":"v"}],"policies":[{"name":"p","vhost":"v","pattern":"^a","definition":{"ha-mode":"nodes","ha-params":["a@b","c@d"]}}]}`,
			`{"vhosts":[{"name":"v"}],"policies":[{"name":"p","vhost":"v","pattern":"^a","apply-to":"all","priority":0,"definition":[["ha-mode","nodes"],["ha-params",["a@b","c@d"]]]}]}`},
		"parameters": {`{"vhosts":[{"name":"v"}],"parameters":[{"component":"shovel","name":"s","vhost":"v","value":{"src-uri":["amqp://a","amqp://b"],"src-queue":"q","dest-uri":"amqp://","dest-queue":"r","src-consumer-args":{"x":1}}},{"component":"federation-upstream-set","name":"f","vhost":"v","value":[{"upstream":"u"}]}]}`,
			`{"vhosts":[{"name":"v"}],"parameters":[{"component":"shovel","name":"s","vhost":"v","value":[["src-uri",["amqp://a","amqp://b"]],["src-queue","q"],["dest-uri","amqp://"],["dest-queue","r"],["src-consumer-args",[["x",1]]]]},{"component":"federation-upstream-set","name":"f","vhost":"v","value":[[["upstream","u"]]]}]}`},
		"global parameters": {`{"users":[],"vhosts":[],"global_parameters":[{"name":"mqtt_default_vhosts","value":{"O=a":"v"}},{"name":"g","value":{"a":{"b":[1,"c"]},"d":null}}]}`,
			`{"users":[],"vhosts":[],"global_parameters":[{"name":"mqtt_default_vhosts","value":[["O=a","v"]]},{"name":"g","value":[["a",[["b",[1,"c"]]]],["d",null]]}]}`},
		"limits": {`{"vhosts":[{"name":"v","limits":{"max-queues":5}}]}`, `{"vhosts":[{"name":"v","limits":[["max-queues",5]]}]}`},
		"user": {`{"users":[{"name":"u","tags":"a,b","password_hash":"","limits":{"max-channels":3}}]}`,
			`{"users":[{"name":"u","tags":["b","a",""],"password_hash":"","limits":[["max-channels",3]]}]}`},
		"vhost of 3.8": {`{"vhosts":[{"name":"v","description":"x","tags":["a"]}]}`,
			`{"vhosts":[{"name":"v","metadata":[["description","x"],["tags",["a"]]]}]}`},
	} {
		var specs [2]string
		for i, form := range forms {
			text, _, problems, err := imported([]byte(form))
			if err != nil || problems.Errors() > 0 || strings.Contains(string(text), "# import") {
				t.Errorf("%s: %v %v\n%s", name, err, problems, text)
			}
			specs[i] = string(text)
		}
		if specs[0] != specs[1] {
			t.Errorf("%s: not the same:\n%s\n%s", name, specs[0], specs[1])
		}
	}
}

// TestImportOfListsAsText: from 4.3 on, rabbitmqctl exports a list that begins with a
// number as text. A text that may have been such a list is reported.
func TestImportOfListsAsText(t *testing.T) {
	data, err := os.ReadFile("testdata/definitions/rabbitmqctl-4.3.json")
	if err != nil {
		t.Fatal(err)
	}
	for form, want := range map[string][]string{
		string(data): {"global parameter list: its value", "queue classic: argument l"},
		`{"vhosts":[{"name":"v"}],"global_parameters":[{"name":"g","value":{"a":["\u0001"]}}],"parameters":[{"component":"c","name":"p","vhost":"v","value":{"a":"\u0000"}}],"exchanges":[{"name":"x","vhost":"v","type":"direct","durable":true,"arguments":{"k":"\u0007"}}],
			"queues":[{"name":"q","vhost":"v","durable":true,"arguments":{}}],"bindings":[{"source":"x","vhost":"v","destination":"q","destination_type":"queue","routing_key":"","arguments":{"b":"\u0001\u0002"}}]}`: {"global parameter g: its value", "c p: its value", "exchange x: argument k", "binding: argument b"},
		`{"vhosts":[{"name":"v"}],"global_parameters":[{"name":"g","value":{"a":"one\n\ttwo\r\n"}}]}`: nil,
	} {
		got, err := rabbitmq.Import([]byte(form), definitions.Options{Stack: "test"})
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range want {
			if !strings.Contains(strings.Join(got.Notes, "\n"), part+" has control characters") {
				t.Errorf("no note on %s: %q", part, got.Notes)
			}
		}
		if n := strings.Count(strings.Join(got.Notes, "\n"), "has control characters"); n != len(want) {
			t.Errorf("%d notes, want %d: %q", n, len(want), got.Notes)
		}
	}
}

// TestImportOfEveryVersion imports exports of each version, as the management API
// and the broker's own commands write them: the spec is valid, and each object of
// the file is in it or named in a note.
func TestImportOfEveryVersion(t *testing.T) {
	files, err := filepath.Glob("testdata/definitions/*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d fixtures: %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := rabbitmq.Import(data, definitions.Options{Stack: "test"})
		if err != nil {
			t.Fatal(err)
		}
		_, declared, problems, err := imported(data)
		if err != nil || problems.Errors() > 0 {
			t.Errorf("%s: the spec is not valid: %v %v", file, err, problems)
		}
		notes := strings.Join(got.Notes, "\n")
		has := func(kind string, parts ...string) {
			if declared.Get(resources.NewAddr(kind, parts...)) == nil && !strings.Contains(notes, fmt.Sprintf("%q", parts[len(parts)-1])) {
				t.Errorf("%s: %s %q is lost without a word", file, kind, parts)
			}
		}
		var doc map[string][]map[string]any
		if err := json.Unmarshal(listsOf(t, data), &doc); err != nil {
			t.Fatal(err)
		}
		for section, kind := range map[string]string{"users": "user", "vhosts": "vhost", "global_parameters": "global-parameter",
			"exchanges": "exchange", "queues": "queue", "policies": "policy"} {
			for _, r := range doc[section] {
				if name := r["name"].(string); kind == "exchange" && strings.HasPrefix(name, "amq.") {
					continue // the broker's own, of which 4.3 exports that of its log
				}
				if vhost, ok := r["vhost"].(string); ok {
					has(kind, vhost, r["name"].(string))
				} else {
					has(kind, r["name"].(string))
				}
			}
		}
		for _, r := range doc["permissions"] {
			has("permission", r["vhost"].(string), r["user"].(string))
		}
		for _, r := range doc["topic_permissions"] {
			has("topic-permission", r["vhost"].(string), r["user"].(string), r["exchange"].(string))
		}
		for _, r := range doc["parameters"] {
			switch vhost, component := r["vhost"].(string), r["component"].(string); component {
			case "operator_policy":
				has("operator-policy", vhost, r["name"].(string))
			case "vhost-limits": // those of -1 limit nothing
			default:
				has("parameter", vhost, component, r["name"].(string))
			}
		}
		if bindings := len(declared.Of("binding")) + strings.Count(notes, "binding from"); bindings != len(doc["bindings"]) {
			t.Errorf("%s: %d of %d bindings", file, bindings, len(doc["bindings"]))
		}
		fixpoint(t, data)
	}
}

// listsOf returns the lists of a definitions file, without what describes it.
func listsOf(t *testing.T, data []byte) []byte {
	t.Helper()
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(doc, func(_ string, v json.RawMessage) bool { return v[0] != '[' })
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestImportOfTheOwnLogin: of the administrator that midaz is to log in as, a
// password in clear is the one it logs in with.
func TestImportOfTheOwnLogin(t *testing.T) {
	const file = `{"users":[{"name":"ops","password":"not-to-be-shown","tags":"administrator"}],"vhosts":[{"name":"/"}],"permissions":[{"user":"ops","vhost":"/","configure":".*","write":".*","read":".*"}]}`
	for _, aside := range []bool{true, false} {
		got, err := rabbitmq.Import([]byte(file), definitions.Options{Stack: "test", Aside: aside})
		if err != nil || bytes.Contains(got.Text, []byte("not-to-be-shown")) {
			t.Fatalf("%v\n%s", err, got.Text)
		}
		values := map[string]string{}
		for _, s := range got.Secrets {
			values[s.Name] = s.Value
		}
		kinds := app.RealWorld().Kinds()
		spec, loaded := specs.Load(specs.Options{Files: []string{"-"}, Stdin: bytes.NewReader(got.Text),
			LookupEnv: func(name string) (string, bool) { v, ok := values[name]; return v, ok }})
		_, decoded := engine.Resolve(spec, kinds)
		if problems := schema.Quick(spec, kinds, loaded, decoded); problems.Errors() > 0 {
			t.Errorf("aside %v: %v\n%s", aside, problems, got.Text)
		}
	}
}

// FuzzImportDefinitions: whatever the file holds, there is a spec that can be
// read, or an error.
func FuzzImportDefinitions(f *testing.F) {
	f.Add([]byte(`{"queues":[{"name":"a","vhost":"/","durable":true,"arguments":{"x-a":1.0}}],"bindings":[{"source":"amq.topic","vhost":"/","destination":"a","destination_type":"queue","routing_key":"#"}]}`))
	f.Add([]byte(`{"users":[{"name":"a","password":"b","tags":["x"]}],"parameters":[{"component":"shovel","vhost":"v","name":"s","value":{"src-uri":"amqp://a:b@c"}}]}`))
	f.Add([]byte(`{"permissions":[{"user":"u","vhost":"/","configure":"","write":"$","read":""}],"topic_permissions":[{"user":"u","vhost":"/","exchange":"amq.topic","write":"","read":""}]}`))
	f.Add([]byte("{\"topic_permissions\":[{\"user\":\"u\",\"vhost\":\"/\",\"exchange\":\"amq.\xbbtopic\",\"write\":\"\",\"read\":\"\"}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		text, _, problems, err := imported(data)
		if err != nil {
			return
		}
		for _, p := range problems {
			if p.Rule != nil && (p.Rule.Code == specs.RuleSyntax.Code || p.Rule.Code == specs.RuleDuplicateKey.Code) {
				t.Fatalf("%s\n%s\n%s", fmt.Sprint(p.Pos, p.Msg), data, text)
			}
		}
		if strings.Contains(string(text), "\x1b") {
			t.Fatalf("a control character came through: %q", text)
		}
		fixpoint(t, data)
	})
}
