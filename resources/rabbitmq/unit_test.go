package rabbitmq

import (
	"encoding/json"
	"math"
	"net"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/LerianStudio/midaz-infra/resources"
)

// TestPasswordHash checks hashes that real brokers made.
func TestPasswordHash(t *testing.T) {
	for _, c := range []struct {
		text, algorithm, password string
		want                      bool
	}{
		{"kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "sha256", "test12", true},
		{"RP+uxeEFWKqM/tBY30N7Zul1kMpi3BrAIgAgXsfISSsZcdxK", "sha256", "s3crët", true},
		{"RP+uxeEFWKqM/tBY30N7Zul1kMpi3BrAIgAgXsfISSsZcdxK", "sha256", "s3cret", false},
		{"RP+uxeEFWKqM/tBY30N7Zul1kMpi3BrAIgAgXsfISSsZcdxK", "sha512", "s3crët", false},
		{"", "sha256", "", false}, // no password at all is not the empty one
		{"RP+u", "sha256", "", false},
		{"not base64", "sha256", "", false},
		{"RP+uxeEFWKqM/tBY30N7Zul1kMpi3BrAIgAgXsfISSsZcdxK", "sha1", "s3crët", false},
	} {
		if got := (passwordHash{c.text, c.algorithm}).matches(c.password); got != c.want {
			t.Errorf("%s %s: %v", c.algorithm, c.text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		password := rapid.String().Draw(t, "password")
		algorithm := rapid.SampledFrom([]string{"sha256", "sha512", "md5"}).Draw(t, "algorithm")
		a, b := newHash(password, algorithm), newHash(password, algorithm)
		if !a.matches(password) || a.matches(password+"x") || a.text == b.text || a.check() != nil {
			t.Fatalf("%q", password)
		}
	})
}

// TestEncodeKeepsNumbers: the broker stores 3 and 3.0 as two types.
func TestEncodeKeepsNumbers(t *testing.T) {
	v := map[string]any{"i": int64(3), "f": 3.0, "big": 1e21, "small": 1e-7, "min": int64(math.MinInt64), "s": "<é>&\"\n",
		"l": []any{true, nil, "x"}, "p": resources.NewSecret("word")}
	data, err := encode(v)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"big":1e+21,"f":3.0,"i":3,"l":[true,null,"x"],"min":-9223372036854775808,"p":"word","s":"<é>&\"\n","small":1e-07}`
	if string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
	var back any
	if err := decode(data, &back); err != nil {
		t.Fatal(err)
	}
	if n, _ := resources.Normalize(back).(map[string]any); n["i"] != int64(3) || n["f"] != 3.0 || n["big"] != 1e21 {
		t.Errorf("came back as %v", n)
	}
	for _, bad := range []any{math.NaN(), math.Inf(1), make(chan int), []any{struct{}{}}} {
		if _, err := encode(bad); err == nil {
			t.Errorf("%T was encoded", bad)
		}
	}
	if err := decode([]byte(`{} {}`), &back); err == nil {
		t.Error("two values were read as one")
	}
}

func TestReasonIsDecoded(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":"bad_request","reason":"inequivalent arg 'x'"}`:                                                  "inequivalent arg 'x'",
		`{"error":"bad_request","reason":["invalid_regexp",[40],[[109,105,115,115,105,110,103,32,41],1]]}`:         "invalid_regexp: (: missing ): 1",
		`{"error":"bad_request","reason":"Validation failed\n\n[{&lt;&lt;\"a\"&gt;&gt;,1}] are not recognised\n"}`: `Validation failed [{"a",1}] are not recognised`,
		`{"error":"Object Not Found"}`:               "Object Not Found",
		`{"error":"bad_request","reason":{"a":[1]}}`: `{"a":[1]}`,
		`{"error":"bad_request","reason":["a","b"]}`: "a: b",
		`{"error":"bad_request","reason":[]}`:        "bad_request",
		``:                                           "",
		`<html>`:                                     "",
		`{"error":"x","reason":[1114112,-1,"a",null]}`: "1114112: -1: a",
	} {
		if got := reasonOf([]byte(body)); got != want {
			t.Errorf("%s\ngot  %q\nwant %q", body, got, want)
		}
	}
}

func TestPathsAreEscaped(t *testing.T) {
	for want, parts := range map[string][]string{
		"/api/queues/%2F/a%20b":          {"queues", "/", "a b"},
		"/api/queues/v/100%25%23%3F%2Fü": {"queues", "v", "100%#?/ü"},
	} {
		got := apiPath(parts...)
		if strings.ReplaceAll(got, "%C3%BC", "ü") != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestBindingAddress: every part comes back from the address, and two bindings
// never share one.
func TestBindingAddress(t *testing.T) {
	type id struct{ vhost, source, to, destination, key string }
	seen := map[resources.Addr]id{}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOfN(rapid.RuneFrom([]rune("a/~%# é*é@.b")), 0, 4, -1)
		b := id{name.Draw(t, "vhost"), name.Draw(t, "source"), rapid.SampledFrom([]string{toQueue, toExchange}).Draw(t, "to"),
			name.Draw(t, "destination"), name.Draw(t, "key")}
		a := bindingAddr(b.vhost, b.source, b.to, b.destination, b.key, nil)
		p := a.Parts()
		if len(p) != 5 || p[0] != b.vhost || p[1] != b.source || p[2] != b.to || p[3] != b.destination {
			t.Fatalf("%+v became %q", b, p)
		}
		if other, ok := seen[a]; ok && other != b {
			t.Fatalf("%+v and %+v are both %s", b, other, a)
		}
		seen[a] = b
		with := bindingAddr(b.vhost, b.source, b.to, b.destination, b.key, map[string]any{"a": int64(1)})
		if with == a || with == bindingAddr(b.vhost, b.source, b.to, b.destination, b.key, map[string]any{"a": 1.0}) {
			t.Fatal("arguments, or their types, make no difference")
		}
	})
}

func TestAnchored(t *testing.T) {
	for pattern, want := range map[string]bool{
		"": true, ".*": true, ".+": true, "^a": true, "^(a|b)$": true, "^a|^b": true, "(^a|^b)": true, "(?i)^a": true, ".*\\.dlq$": true,
		`\Aa`: true,
		"a":   false, "a|^b": false, "^a|b": false, "a$": false, "[a-z]+": false, "(a)": false,
	} {
		if isAnchored(pattern) != want {
			t.Errorf("%q: %v", pattern, !want)
		}
	}
}

func TestPatternsBeyondRE2(t *testing.T) {
	for _, p := range []string{`(?!x)`, `(?<=x)a`, `(a)\1`, `a++`, `(?>a)`, `\Kx`, `(?(1)a|b)`} {
		if !beyondRE2.MatchString(p) {
			t.Errorf("%s is taken for malformed", p)
		}
	}
	for _, p := range []string{`(`, `[a`, `a)`, `*a`} {
		if beyondRE2.MatchString(p) {
			t.Errorf("%s is left to the broker", p)
		}
	}
}

// TestRowsOfAnyShape: whatever a broker lists, reading it is no panic.
func TestRowsOfAnyShape(t *testing.T) {
	keys := []string{"name", "vhost", "type", "durable", "auto_delete", "exclusive", "arguments", "tags", "value", "component", "user",
		"source", "destination",
		"destination_type", "routing_key", "properties_key", "pattern", "apply-to", "priority", "definition", "password_hash",
		"hashing_algorithm", "exchange", "messages_ready"}
	value := rapid.Custom(func(t *rapid.T) any {
		return rapid.SampledFrom([]any{nil, true, "", "a", "undefined", json.Number("3"), json.Number("3.0"), json.Number("x"), []any{},
			[]any{"a", nil}, map[string]any{}, map[string]any{"a": nil, "x-queue-type": 5}}).Draw(t, "value")
	})
	rapid.Check(t, func(t *rapid.T) {
		r := row(rapid.MapOf(rapid.SampledFrom(keys), value).Draw(t, "row"))
		for _, k := range topologies {
			see := map[string]func(row) *object{vhostName: seeVhost, userName: seeUser, exchangeName: seeExchange, queueName: seeQueue,
				bindingName: seeBinding}[k.Table().Kind]
			if l, ok := k.(limitKind); ok {
				see = l.see
			}
			if s, ok := k.(interface{ rowReader() func(row) *object }); see == nil && ok {
				see = s.rowReader()
			}
			if see == nil {
				t.Fatalf("%s is not read", k.Table().Kind)
			}
			if o := see(r); o != nil {
				_ = digest(o)
			}
		}
		_ = loadOf(r)
		_ = parseBooks([]row{r}, "a")
	})
}

func (k single) rowReader() func(row) *object { return k.see }

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1284: "1,284", 1234567: "1,234,567", -1284: "-1,284"} {
		if got := thousands(n); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestNodeBehindOneName: the address that took the first connection is dialed
// from then on.
func TestNodeBehindOneName(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	p := &pinnedDialer{}
	conn, err := p.dial(t.Context(), "tcp", net.JoinHostPort("localhost", port))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if p.addr["localhost:"+port] != l.Addr().String() {
		t.Errorf("kept %v", p.addr)
	}
	p.addr["localhost:"+port] = "127.0.0.1:1"
	if _, err := p.dial(t.Context(), "tcp", "localhost:"+port); err == nil {
		t.Error("another address was dialed")
	}
}
