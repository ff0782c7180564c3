package resources_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/conform"
	"github.com/LerianStudio/midaz-infra/resources/fake"
	"github.com/LerianStudio/midaz-infra/specs"
)

func TestConformStatic(t *testing.T) { conform.Static(t, fake.Kinds()) }

const canary = "hunter2canary"

// TestSecretHasOneExit prints a secret in every way the language knows.
func TestSecretHasOneExit(t *testing.T) {
	type hidden struct{ s resources.Secret }
	type shown struct {
		S resources.Secret
		M map[string]resources.Secret
	}
	s := resources.NewSecret(canary)
	things := []any{s, &s, hidden{s}, &hidden{s}, shown{s, map[string]resources.Secret{"k": s}}, []any{s}, map[string]any{"k": []any{s}},
		resources.Config{"k": s}, resources.Diff{Before: s, After: s}, resources.Seal(resources.Config{"k": s}),
		resources.Canonical(map[string]any{"k": s}),
		resources.Show([]any{s, map[string]any{"k": s}}), resources.DiffValues("x", []any{s}, []any{s, "y"})}
	for _, v := range things {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
			check(t, verb, fmt.Sprintf(verb, v))
		}
		if b, err := json.Marshal(v); err == nil {
			check(t, "json", string(b))
		}
		if b, err := yaml.Marshal(v); err == nil {
			check(t, "yaml", string(b))
		}
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		check(t, "slog", log.String())
	}
	if s.Reveal() != canary {
		t.Error("Reveal does not reveal")
	}
}

func check(t *testing.T, how, out string) {
	t.Helper()
	if strings.Contains(out, canary) || strings.Contains(strings.ToLower(out), fmt.Sprintf("%x", canary)) {
		t.Errorf("%s shows the secret: %s", how, out)
	}
}

func node(t testing.TB, text string) specs.Node {
	t.Helper()
	n, err := specs.ParseNode("f", text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// One mistake in a list does not hide what else is wrong with what it holds,
// and null is as if the key were not there, but where a value must be written.
func TestDecodeKeepsWhatIsRight(t *testing.T) {
	table := resources.Table{Kind: "thing", Fields: []resources.Field{
		{Key: "ports", Type: resources.List(resources.Int(1, 9)), Doc: "x", Example: "[1]"},
		{Key: "limits", Type: resources.MapOf(resources.Bytes()), Doc: "x", Example: "{}"},
		{Key: "log", Type: resources.Object{What: "a log", Fields: []resources.Field{{Key: "driver", Type: resources.String(), Doc: "x"},
			{Key: "size", Type: resources.Bytes(), Doc: "x"}}}, Doc: "x"},
		{Key: "name", Type: resources.String(), Doc: "x", Example: "a", Required: true},
		{Key: "password", Type: resources.String(), Doc: "x", Example: "a", Secret: true},
	}}
	for _, tc := range []struct{ text, want, problems string }{
		{"{name: a, ports: [1, x, 3], limits: {a: 1m, b: much}, log: {driver: json-file, size: big}}",
			`{"limits":{"a":"1m"},"log":{"driver":"json-file"},"name":"a","ports":[1,3]}`, "MZ021 MZ021 MZ021"},
		{"{name: a, ports: ~, limits: , log: null}", `{"name":"a"}`, ""},
		{"{name: ~}", `{}`, "MZ020"},
		{"{name: a, password: }", `{"name":"a"}`, "MZ020"},
	} {
		var codes []string
		got := table.Decode(node(t, tc.text), func(p *specs.Problem) { codes = append(codes, p.Rule.Code) })
		if text := string(resources.Canonical(map[string]any(got))); text != tc.want || strings.Join(codes, " ") != tc.problems {
			t.Errorf("%s: %s with %v, want %s with %s", tc.text, text, codes, tc.want, tc.problems)
		}
	}
}

func TestTypes(t *testing.T) {
	port := resources.Keyed{
		Elem: resources.Object{What: "a port", Fields: []resources.Field{
			{Key: "target", Type: resources.Int(1, 65535), Required: true, Doc: "x", Example: "80"},
			{Key: "name", Type: resources.String()},
		}, Short: func(s string) (map[string]any, error) {
			if s == "bad" {
				return nil, fmt.Errorf("not a port")
			}
			return map[string]any{"target": int64(len(s))}, nil
		}, ShortDoc: "HOST:CONTAINER"},
		Key: func(v map[string]any) string { return fmt.Sprint(v["target"]) },
	}
	named := resources.Keyed{Elem: resources.Object{What: "a network", Fields: []resources.Field{{Key: "name", Type: resources.String()},
		{Key: "alias", Type: resources.String()}}},
		Key: func(v map[string]any) string { return resources.Text(v["name"]) }, Names: "name"}
	for _, tc := range []struct {
		typ  resources.Type
		text string
		want string // canonical JSON, or the problems
	}{
		{resources.String(), "22", `"22"`},
		{resources.String(), "3.10", `"3.10"`},
		{resources.String(), "[a]", "f:1:1: expected a string, found a list [MZ020]"},
		{resources.Pattern("a word", "^[a-z]+$"), "A1", `f:1:1: expected a word, found "A1" [MZ021]`},
		{resources.Bool(), `"true"`, "true"},
		{resources.Bool(), "maybe", `f:1:1: expected true or false, found "maybe" [MZ021]`},
		{resources.Int(1, 5), `"3"`, "3"},
		{resources.Int(1, 5), "6", `f:1:1: expected an integer from 1 to 5, found "6" [MZ021]`},
		{resources.Int(1, math.MaxInt64), "1.5", `f:1:1: expected an integer of at least 1, found "1.5" [MZ021]`},
		{resources.Float(0), "2", "2.0"},
		{resources.Float(0), ".nan", `f:1:1: expected a number of at least 0, found ".nan" [MZ021]`},
		{resources.Duration(), "90s", `"1m30s"`},
		{resources.Duration(), "1h", `"1h"`},
		{resources.Duration(), "10", `f:1:1: expected a duration such as 10s or 1m30s, found "10" [MZ021]`},
		{resources.Bytes(), "1024m", `"1g"`},
		{resources.Bytes(), "1000", `"1000"`},
		{resources.Bytes(), "-1", `"-1"`},
		{resources.Bytes(), "-2m", `f:1:1: expected a size such as 512m or 1g, found "-2m" [MZ021]`},
		{resources.Enum("a", "b"), "c", `f:1:1: expected one of a, b, found "c" [MZ021]`},
		{resources.Argv(), `sh -c "echo 'a b'"`, `["sh","-c","echo 'a b'"]`},
		{resources.Argv(), `[sh, 1]`, `["sh","1"]`},
		{resources.Argv(), `"sh 'x"`, "f:1:1: the command is not well quoted [MZ021]"},
		{resources.Set(resources.String()), "[b, a, b]", `["a","b"]`},
		{resources.OneOrMore(resources.String()), "x", `["x"]`},
		{resources.Pairs(), "[A=b=c, D=]", `{"A":"b=c","D":""}`},
		{resources.Pairs(), "{A: 1, B: true}", `{"A":"1","B":"true"}`},
		{resources.Pairs(), "[A]", `f:1:2: expected KEY=value, found "A" [MZ021]`},
		{resources.Pairs(), "x", "f:1:1: expected a map, or a list of KEY=value, found a string [MZ020]"},
		{port, `[abc, {target: 9, name: x}]`, `{"3":{"target":3},"9":{"name":"x","target":9}}`},
		{port, `[abc, xyz]`, `f:1:7: a port "3" is written twice [MZ026]`},
		{port, `[bad, {name: x}]`, "f:1:2: expected a port written HOST:CONTAINER: not a port [MZ021]\nf:1:7: a port needs \"target\": x [MZ024]"},
		{port, `[{targt: 9}]`, "f:1:2: a port needs \"target\": x [MZ024]\nf:1:3: unknown key \"targt\" in a port [MZ022]"},
		{named, `[a, b]`, `{"a":{"name":"a"},"b":{"name":"b"}}`},
		{named, `{a: , b: {alias: c}}`, `{"a":{"name":"a"},"b":{"alias":"c","name":"b"}}`},
		{resources.Any(), `{a: [1, 2.0, x, true]}`, `{"a":[1,2.0,"x",true]}`},
		{resources.Any(), `{a: ~}`, "f:1:5: expected a value, found null [MZ020]"},
	} {
		var problems specs.Problems
		v, ok := tc.typ.Decode(node(t, tc.text), func(p *specs.Problem) { problems = append(problems, p) })
		got := string(resources.Canonical(v))
		if !ok || len(problems) > 0 {
			var lines []string
			for _, p := range problems.Sorted() {
				lines = append(lines, p.Error())
			}
			got = strings.Join(lines, "\n")
		}
		if got != tc.want {
			t.Errorf("%T %s:\n%s\nwant:\n%s", tc.typ, tc.text, got, tc.want)
		}
		if _, err := json.Marshal(tc.typ.Schema()); err != nil {
			t.Error(err)
		}
	}
}

func TestDiffValues(t *testing.T) {
	for _, tc := range []struct{ before, after, want string }{
		{"[a, b, c]", "[a, c]", `x[1]: "b" -> null`},
		{"[a, c]", "[a, b, c]", `x[1]: null -> "b"`},
		{"[a, b, c]", "[a, x, c]", `x[1]: "b" -> "x"`},
		{"{a: 1, b: {c: 2}}", "{a: 1, b: {c: 3}, d: 4}", "x.b.c: 2 -> 3; x.d: null -> 4"},
		{`{"80/tcp": 1}`, "{}", `x["80/tcp"]: 1 -> null`},
		{"[]", "~", ""},
		{"1", "1.0", "x: 1 -> 1.0"},
		{"[{a: 1}]", "[{a: 2}]", "x[0].a: 1 -> 2"},
	} {
		var got []string
		for _, d := range resources.DiffValues("x", value(t, tc.before), value(t, tc.after)) {
			got = append(got, d.Path+": "+resources.Show(d.Before)+" -> "+resources.Show(d.After))
		}
		if s := strings.Join(got, "; "); s != tc.want {
			t.Errorf("%s to %s: %s, want %s", tc.before, tc.after, s, tc.want)
		}
	}
}

func value(t testing.TB, text string) resources.Value {
	n := node(t, text)
	if n.Kind() == specs.Null {
		return nil
	}
	v, _ := resources.Any().Decode(n, func(p *specs.Problem) { t.Fatal(p) })
	return v
}

// randomValue draws any canonical value.
func randomValue(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		top := 6
		if depth == 0 {
			top = 4
		}
		switch rapid.IntRange(0, top).Draw(t, "kind") {
		case 0:
			return rapid.Bool().Draw(t, "bool")
		case 1:
			return rapid.Int64().Draw(t, "int")
		case 2:
			return rapid.Float64Range(-1e6, 1e6).Draw(t, "float") + 0.5
		case 3:
			return rapid.StringMatching(`[a-zé"\\ ]{0,5}`).Draw(t, "string")
		case 4:
			return resources.NewSecret(rapid.StringMatching(`[a-z]{0,3}`).Draw(t, "secret"))
		case 5:
			return rapid.SliceOfN(randomValue(depth-1), 0, 3).Draw(t, "list")
		default:
			return rapid.MapOfN(rapid.StringMatching(`[a-z./]{1,3}`), randomValue(depth-1), 0, 3).Draw(t, "map")
		}
	})
}

// TestSealRoundTrip: what is written on an object tells exactly whether a
// value is the one that was applied, and shows no secret.
func TestSealRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, other := randomValue(2).Draw(t, "v"), randomValue(2).Draw(t, "other")
		sealed, err := resources.ParseSealed(resources.Seal(resources.Config{"f": v}).String())
		if err != nil {
			t.Fatal(err)
		}
		if !sealed.Matches("f", v) {
			t.Fatalf("%s does not match itself: %s", resources.Show(v), sealed)
		}
		if sealed.Matches("f", other) != resources.Equal(v, other) {
			t.Fatalf("%s and %s: matches %v, equal %v", resources.Show(v), resources.Show(other), sealed.Matches("f", other),
				resources.Equal(v, other))
		}
		if (len(resources.DiffValues("f", v, other)) == 0) != resources.Equal(v, other) {
			t.Fatalf("%s and %s: differences %v", resources.Show(v), resources.Show(other), resources.DiffValues("f", v, other))
		}
	})
}

func TestAddr(t *testing.T) {
	a := resources.NewAddr("queue", "/", "a b/c%#é$(x)")
	if got, want := a.String(), "queue/%2F/a%20b%2Fc%25%23%C3%A9%24%28x%29"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if p := a.Parts(); p[0] != "/" || p[1] != "a b/c%#é$(x)" {
		t.Errorf("parts %q", p)
	}
	for pattern, want := range map[string]bool{"queue/*": true, "queue/%2F/*": true, "exchange/*": false, a.String(): true, "*": true,
		"queue/[": false, "queue/?2F/a*x%29": true} {
		if a.Match(pattern) != want {
			t.Errorf("match %s: %v", pattern, !want)
		}
	}
}

func FuzzParseSealed(f *testing.F) {
	f.Add(`{"key":"00","fields":{"a":{"$hmac-sha256":"ff"}}}`)
	f.Add(`{"fields":[1]}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := resources.ParseSealed(text)
		if err != nil {
			return
		}
		for k := range s.Fields {
			_ = s.Matches(k, "x")
			_ = s.Shape(k)
		}
	})
}

func FuzzParseAddr(f *testing.F) {
	f.Add("queue/%2F/x")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := resources.ParseAddr(text)
		if err != nil {
			return
		}
		if a.String() != text {
			t.Errorf("%q became %q", text, a)
		}
		_ = a.Match(text)
		if back := resources.NewAddr(a.Kind, a.Parts()...); len(back.Parts()) != len(a.Parts()) {
			t.Errorf("%q: parts %q", text, back.Parts())
		}
	})
}
