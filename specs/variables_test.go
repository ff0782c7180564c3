package specs

import (
	"strings"
	"testing"
)

// Each source beats the ones below it.
func TestVariableSources(t *testing.T) {
	dir := write(t, map[string]string{
		"spec/a.yaml": "variables: { V: { default: default } }\nv: $V\n",
		"spec/.env":   "V=dot-env\n",
		"one.env":     "V=one\n",
		"two.env":     "V=two\n",
		"one.yaml":    "V: yaml\n",
		"vars.env":    "V=vars\n",
	})
	base := Options{Dir: dir, Files: []string{"spec/a.yaml"}}
	tests := []struct {
		name       string
		set        func(*Options)
		want, from string
	}{
		{"-var", func(o *Options) {
			o.Vars = []string{"V=first", "V=a=b"}
			o.ValueFiles = append(o.ValueFiles, varFiles("one.yaml")...)
		}, "a=b", "-var"},
		{"var file after an env file", func(o *Options) {
			o.ValueFiles = append(envFiles("one.env"), varFiles("vars.env", "one.yaml")...)
			o.LookupEnv = environment("V=env")
		}, "yaml", "one.yaml"},
		{"env file after a var file", func(o *Options) {
			o.ValueFiles = append(varFiles("vars.env", "one.yaml"), envFiles("one.env")...)
			o.LookupEnv = environment("V=env")
		}, "one", "one.env"},
		{"later var file", func(o *Options) { o.ValueFiles = append(o.ValueFiles, varFiles("one.yaml", "vars.env")...) }, "vars", "vars.env"},
		{"later env file", func(o *Options) {
			o.ValueFiles = append(o.ValueFiles, envFiles("one.env", "two.env")...)
			o.LookupEnv = environment("V=env", "MIDAZ_VAR_V=own")
		}, "two", "two.env"},
		{"own environment", func(o *Options) { o.LookupEnv = environment("V=env", "MIDAZ_VAR_V=own") }, "own", "environment"},
		{"environment", func(o *Options) { o.LookupEnv = environment("V=env") }, "env", "environment"},
		{".env beside the spec", func(*Options) {}, "dot-env", "spec/.env"},
		{"default, with env files in place of .env", func(o *Options) { o.ValueFiles = append(o.ValueFiles, envFiles("empty.env")...) },
			"default", "default"},
	}
	write(t, nil)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			opt := base
			test.set(&opt)
			spec, ps := Load(opt)
			for _, p := range ps {
				if p.Rule != RuleFile || p.Pos.File != "empty.env" {
					t.Error(p)
				}
			}
			if v := spec.Variables[0]; v.Value != test.want || v.From != test.from || spec.Root.Get("v").Text() != test.want {
				t.Errorf("got %q from %q, want %q from %q", v.Value, v.From, test.want, test.from)
			}
		})
	}
}

// What is not declared may come from everywhere but a misspelt flag.
func TestUndeclaredVariables(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": "v: $A$B$C$D\n", ".env": "C=c\n", "v.yaml": "D: d\nOTHER: x\n"})
	spec, ps := Load(Options{Dir: dir, Files: []string{"a.yaml"}, Vars: []string{"A=a", "AA=x"}, ValueFiles: varFiles("v.yaml"),
		LookupEnv: environment("B=b")})
	expect(t, ps, `-var: no variable "AA" is declared or used in the spec [MZ014]`)
	if got := spec.Root.Get("v").Text(); got != "abcd" {
		t.Errorf("got %q", got)
	}
}

func TestVarFlags(t *testing.T) {
	_, ps := loadText("a: 1\n", Options{Vars: []string{"NAME", "=x", "canary secret", "1A=canary"}})
	expect(t, ps, `-var: "NAME" has no value [MZ013]`, `-var: the text before "=" is not the name of a variable [MZ013]`)
}

func TestVarFileProblems(t *testing.T) {
	dir := write(t, map[string]string{
		"a.yaml": "variables: { P: { type: port }, S: { type: int, sensitive: true } }\nv: $P$S\n",
		"v.yaml": "P: 99999\nS: canary\nL: [1]\n1A: x\nN:\n",
		"b.yaml": "a: [\n",
		"c.json": "[1]",
		"d.yml":  "a: \x01\n",
		"e.yml":  "a: *canary\n",
		"f.yml":  "a: !canary x\nb: 'canary\n",
		"g.yml":  "a: !canary x\n",
	})
	_, ps := Load(Options{Dir: dir, Files: []string{"a.yaml"}, ValueFiles: varFiles("v.yaml", "b.yaml", "c.json", "d.yml", "e.yml", "f.yml",
		"g.yml")})
	expect(t, ps,
		"b.yaml:1:4: a bracket opens here and is not closed [MZ002]",
		"c.json:1:1: a spec is a map, not a list [MZ005]",
		"d.yml:1:4: character U+0001 is not allowed in YAML [MZ002]",
		"e.yml:1:4: values in a file of values are plain texts [MZ007]",
		"f.yml:2:4: a quote opens here and is never closed [MZ002]",
		"g.yml:1:4: values in a file of values are plain texts [MZ008]",
		`v.yaml:1:4: variable P must be a port from 1 to 65535, found "99999" (from v.yaml) [MZ011]`,
		"v.yaml:2:4: variable S must be an integer, and its sensitive value is not (from v.yaml) [MZ011]",
		"v.yaml:3:4: variable L takes a plain value, not a list [MZ013]",
		"v.yaml:4:1: this is not the name of a variable [MZ013]",
		"v.yaml:5:3: variable N takes a plain value, not null [MZ013]")
	for _, p := range ps {
		if strings.Contains(p.Error()+p.Hint, "canary") {
			t.Errorf("a part of a value shows: %v (%s)", p, p.Hint)
		}
	}
}

func TestVariableTypes(t *testing.T) {
	good := map[string]string{
		"string": "anything |1 2| ", "int": "0|-5|0x1F|007", "number": "1|1.5|-2e3|.5", "bool": "true|False|YES|no|on|off",
		"port": "1|80|65535", "duration": "0s|10s|1m30s|1.5h|0", "bytes": "0|512m|1g|1.5GiB|100",
	}
	bad := map[string]string{
		"int": "|1.5|a| 1|1e3", "number": "|a|1.2.3|.nan.", "bool": "|1|0|maybe|y", "port": "|0|65536|-1|a|80/tcp|+80|0x50",
		"duration": "|10|10 s|-1s|soon", "bytes": "|large|-1|1x",
	}
	try := func(kind, values string, want bool) {
		for _, text := range strings.Split(values, "|") {
			_, ps := loadText("variables: { V: { type: "+kind+" } }\nv: $V\n", Options{Vars: []string{"V=" + text}})
			if got := len(ps) == 0; got != want {
				t.Errorf("%q as %s: allowed is %v (%v)", text, kind, got, ps)
			}
		}
	}
	for kind, values := range good {
		try(kind, values, true)
	}
	for kind, values := range bad {
		try(kind, values, false)
	}
}

func TestEnumAndPattern(t *testing.T) {
	spec := "variables:\n  E: { enum: [a, 1, true] }\n  P: { pattern: \"^[a-z]+$\" }\n  S: { enum: [canary-a, canary-b], sensitive: true " +
		"}\nv: $E$P$S\n"
	_, ps := loadText(spec, Options{Vars: []string{"E=1", "P=abc", "S=canary-a"}})
	expect(t, ps)
	_, ps = loadText(spec, Options{Vars: []string{"E=2", "P=ABC", "S=canary-c"}})
	expect(t, ps,
		`-:2:3: variable E must be one of a, 1, true, found "2" (from -var) [MZ011]`,
		`-:3:3: variable P must be a text that matches ^[a-z]+$, found "ABC" (from -var) [MZ011]`,
		`-:4:3: variable S must be one of its enum, and its sensitive value is not (from -var) [MZ011]`)
}

// An empty password is no password; any other variable may be empty.
func TestEmptyValues(t *testing.T) {
	spec, ps := loadText("variables: { S: { sensitive: true }, T: { sensitive: true, default: \"\" }, P: {} }\ns: $S\nd: ${S:-x}\nt: "+
		"$T\np: $P\n",
		Options{Vars: []string{"S=", "P="}})
	expect(t, ps, `-:2:4: variable "S" is empty (from -var) [MZ010]`)
	if got := spec.Root.Get("d").Text() + spec.Root.Get("t").Text() + spec.Root.Get("p").Text(); got != "x" {
		t.Errorf("got %q", got)
	}
}

// A declaration that is wrong about being sensitive is taken to mean it.
func TestSensitiveInDoubt(t *testing.T) {
	spec, ps := loadText("variables: { S: { sensitive: \"yes\", type: int } }\nv: $S\n", Options{Vars: []string{"S=canary"}})
	expect(t, ps, `-:1:14: variable S must be an integer, and its sensitive value is not (from -var) [MZ011]`,
		`-:1:30: "sensitive" of variable S is true or false, not a string [MZ009]`)
	if !spec.Root.Get("v").Sensitive() {
		t.Error("the value is not sensitive")
	}
}

func TestVariablesAreSorted(t *testing.T) {
	spec, ps := loadText("variables:\n  B: { type: int, default: 1, description: second, enum: [1, 2], pattern: . }\n  A:\nv: $A$B\n",
		Options{LookupEnv: environment("A=x")})
	expect(t, ps)
	if len(spec.Variables) != 2 || spec.Variables[0].Name != "A" || spec.Variables[0].Type != "string" || spec.Variables[0].HasDefault {
		t.Errorf("got %+v", spec.Variables)
	}
	b := spec.Variables[1]
	if b.Type != "int" || !b.HasDefault || b.Default != "1" || b.Description != "second" || len(b.Enum) != 2 || b.Pattern != "." ||
		b.Pos.String() != "-:2:3" || b.From != "default" {
		t.Errorf("got %+v", b)
	}
}

func TestUnused(t *testing.T) {
	spec, ps := loadText("variables: { A: {}, B: { default: 1 }, C: { default: 1 } }\nx-a: $B\nv: ${C:-x}\n", Options{})
	expect(t, ps)
	expect(t, spec.Unused(), "-:1:14: variable A is declared and nothing uses it [MZ018]")
}

// A variable without a value is one problem, however often it is used.
func TestUnsetIsToldOnce(t *testing.T) {
	_, ps := loadText("variables: { A: {} }\nv: [\"$A\", \"x$A\", \"$A$A\"]\nw: $A\n", Options{})
	expect(t, ps, `-:2:6: variable "A" is used and nowhere set [MZ010]`)
	var places []string
	for _, r := range ps[0].Related {
		places = append(places, r.Pos.String())
	}
	if got := strings.Join(places, " "); got != "-:1:14 -:2:13 -:2:19 -:2:21 -:3:4" {
		t.Errorf("related: %s", got)
	}
	if !strings.Contains(ps[0].Hint, ".env") {
		t.Errorf("hint: %s", ps[0].Hint)
	}
}

func envFiles(names ...string) []ValueFile {
	var out []ValueFile
	for _, name := range names {
		out = append(out, ValueFile{Name: name, Env: true})
	}
	return out
}

func varFiles(names ...string) []ValueFile {
	var out []ValueFile
	for _, name := range names {
		out = append(out, ValueFile{Name: name})
	}
	return out
}
