package draft

import (
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"
)

// Whatever texts a draft holds, its YAML holds the same, and comments do not
// break out of their lines.
func TestTextIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"no", "0x10", "1e3", "null", "~", "- a", "a: b", " x ", "${X}", "#",
			"a\nb\n", "\n", "!t", "&a", "*a", "{", "}", "\"", "'"}))
		value := map[string]any{"a": text.Draw(t, "a"), "b": []any{text.Draw(t, "b"), text.Draw(t, "c")},
			"c": map[string]any{"x": text.Draw(t, "d")}, "n": 5, "t": true}
		dflt := text.Draw(t, "default")
		d := &Draft{Head: []string{text.Draw(t, "head")}, Stack: "s",
			Variables: []Variable{{Name: "V", Default: &dflt, Comment: text.Draw(t, "comment")}},
			Services:  []*Entry{{Key: "web", Comment: []string{text.Draw(t, "note")}, Fields: value}}}
		var got struct {
			Stack     string
			Variables map[string]struct{ Default string }
			Services  map[string]map[string]any
		}
		out := d.Text()
		if err := yaml.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		web := got.Services["web"]
		if got.Stack != "s" || got.Variables["V"].Default != dflt || len(got.Services) != 1 {
			t.Fatalf("%+v\n%s", got, out)
		}
		if web["a"] != value["a"] || web["n"] != 5 || web["t"] != true || web["b"].([]any)[1] != value["b"].([]any)[1] ||
			web["c"].(map[string]any)["x"] != value["c"].(map[string]any)["x"] {
			t.Fatalf("%+v, wanted %+v\n%s", web, value, out)
		}
	})
}

func TestSecretNames(t *testing.T) {
	for name, want := range map[string]bool{
		"DB_PASSWORD": true, "POSTGRES_PASS": true, "API_KEY": true, "VAULT_TOKEN": true, "CLIENT_SECRET": true, "JWT_SIGNING_KEY": true,
		"DB_USER": false, "POSTGRES_PASSWORD_FILE": false, "TOKEN_TTL": false, "SECRET_PATH": false, "PORT": false, "KEYSPACE": false,
	} {
		if got := IsSecretName(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestSecretTexts(t *testing.T) {
	for text, want := range map[string]bool{
		"postgres://app:hush@db/x": true, "-----BEGIN PRIVATE KEY-----": true, "9f86d081884c7d659a2feaa0c55ad015": true,
		"eyJhbGciOiJIUzI1NiIs": true,
		"http://db:5432/x":     false, "--auth-host=scram-sha-256": false, "pg_isready": false, "redpandadata/redpanda": false,
	} {
		if got := IsSecretText(text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestHideSecrets(t *testing.T) {
	d := &Draft{Services: []*Entry{
		{Key: "a", Fields: map[string]any{"environment": map[string]any{"PASSWORD": "first-one", "HIDDEN": Secret("known$one"),
			"SHORT_KEY": "abc"}, "command": []any{"--p", "first-one", "first-one.x", "x=first-one", "abc"}}},
		{Key: "b", Fields: map[string]any{"environment": map[string]any{"PASSWORD": "other-one", "SAME_SECRET": "first-one"},
			"labels": map[string]any{"l": "known$$one"}}},
	}}
	d.HideSecrets()
	text := d.Text()
	for _, want := range []string{"PASSWORD: ${PASSWORD}", "PASSWORD: ${B_PASSWORD}", "SAME_SECRET: ${PASSWORD}", "HIDDEN: ${HIDDEN}",
		"x=${PASSWORD}", "first-one.x", "SHORT_KEY: ${SHORT_KEY}", "l: ${HIDDEN}", "B_PASSWORD: { type: string, sensitive: true }"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "other-one") || strings.Contains(text, "known") {
		t.Errorf("a secret is in\n%s", text)
	}
	if got := d.Values()["HIDDEN"]; got != "known$one" {
		t.Errorf("the value is %q", got)
	}
	// One that was forgotten is not written either.
	forgotten := &Draft{Services: []*Entry{{Key: "a", Fields: map[string]any{"environment": map[string]any{"X": Secret("hush")}}}}}
	if strings.Contains(forgotten.Text(), "hush") {
		t.Error(forgotten.Text())
	}
}

func TestHideSecretsWhereOnlyTheirNameTells(t *testing.T) {
	d := &Draft{Services: []*Entry{{Key: "db", Fields: map[string]any{
		"labels": map[string]any{"app.password": "hush-label", "acme.io/api-token": "hush-slash",
			"traefik.http.middlewares.test-auth.forwardauth.address": "http://auth:9091", "router.token.rule": "open"},
		"environment": map[string]any{"RABBITMQ_ERLANG_COOKIE": "hush-cookie", "HEADER": "Bearer hush.hush-hush",
			"JWT":     "eyJhush-hush.eyJhush-hush.hush",
			"VERSION": "1.2.3", "HOST": "registry.internal.example.com", "SESSION_COOKIE_NAME": "session"},
		"command":     []any{"mysqld", "--port", "1", "-phush-list"},
		"entrypoint":  []any{"sh", "-c", "redis-cli -h x -a hush-text ping && mkdir -p kept-one"},
		"healthcheck": map[string]any{"test": []any{"CMD", "/usr/bin/mongosh", "-u", "root", "-p", "hush-next", "-p", "${M:-hush-default}"}},
	}}, {Key: "web", Fields: map[string]any{
		"healthcheck": map[string]any{"test": "mysqladmin ping -uroot -phush-ping && curl -u admin:hush-curl http://x"},
		"command":     []any{"server", "-p", "8080", "-a", "kept-two"},
		"entrypoint":  []any{"mysqladmin", "-p$$MYSQL_ROOT_PASSWORD"},
	}}}}
	d.HideSecrets()
	text := d.Text()
	if strings.Contains(text, "hush") {
		t.Errorf("a secret is in\n%s", text)
	}
	for _, want := range []string{"http://auth:9091", "router.token.rule: open", "VERSION: 1.2.3", "registry.internal.example.com",
		"SESSION_COOKIE_NAME: session", "mkdir -p kept-one",
		`"8080"`, "kept-two", "-p$$MYSQL_ROOT_PASSWORD"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
