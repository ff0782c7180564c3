package specs

import (
	"strings"
	"testing"
)

// readDotenvText parses a dotenv text with X=env in the environment and
// returns its entries as "KEY=value" lines in the order they were set.
func readDotenvText(text string) (string, Problems) {
	values, order, ps := map[string]string{}, []string{}, Problems{}
	d := &dotenv{file: ".env", text: text, report: func(p *Problem) { ps = append(ps, p) },
		lookup: func(name string) (string, bool) {
			if v, ok := values[name]; ok {
				return v, true
			}
			return environment("X=env", "EMPTY=")(name)
		},
		set: func(key, text string, _ Pos) {
			if _, twice := values[key]; !twice {
				order = append(order, key)
			}
			values[key] = text
		}}
	d.parse()
	var out []string
	for _, key := range order {
		out = append(out, key+"="+values[key])
	}
	return strings.Join(out, ";"), ps
}

func TestDotenv(t *testing.T) {
	tests := []struct {
		name, text, want string
		problems         []string
	}{
		{"nothing", "", "", nil},
		{"one line without its end", "A=b", "A=b", nil},
		{"CR LF", "A=b\r\nC=d\r\n", "A=b;C=d", nil},
		{"byte order mark", "\ufeffA=b\r\nC=d\r\n", "A=b;C=d", nil},
		{"byte order mark alone", "\ufeff", "", nil},
		{"byte order mark before a comment", "\ufeff# A=b\nC=d", "C=d", nil},
		{"other encodings", "\xff\xfeA\x00=\x00", "", []string{".env:1:1: the text is not UTF-8 [MZ013]"}},
		{"comments and empty lines", "# A=b\n\n  # C\n\t\nA=b\n", "A=b", nil},
		{"export", "export A=b\nexport\tC=d\nexported=e\nexport=f", "A=b;C=d;exported=e;export=f", nil},
		{"spaces", "  A = b c  \nB\t=\td", "A=b c;B=d", nil},
		{"empty", "A=\nB=''\nC=\"\"\nD= # nothing", "A=;B=;C=;D=", nil},
		{"colon, as in Compose", "A: b", "A=b", nil},
		{"comment after a value", "A=b # c\nB=c#d\nC='x # y' # z\nD=\"x\"#z", "A=b;B=c#d;C=x # y;D=x", nil},
		{"the last wins", "A=1\nA=2", "A=2", nil},
		{"equals signs in a value", "A=b=c==", "A=b=c==", nil},
		{"single quotes are literal", `A='$X ${X} \n "q"'`, `A=$X ${X} \n "q"`, nil},
		{"double quotes", `A="$X ${X} \n \t \" \\ \$X \q 'q'"`, "A=env env \n \t \" \\ $X \\q 'q'", nil},
		{"plain values", `A=$X-${X}-${NO:-d}-$$X-\n-"`, `A=env-env-d-$X-\n-"`, nil},
		{"several lines", "A='one\ntwo' # end\nB=\"three\n  four\"\nC=5", "A=one\ntwo;B=three\n  four;C=5", nil},
		{"earlier entries", "A=1\nB=${A}2\nC=\"${B}3\"", "A=1;B=12;C=123", nil},
		{"a name alone comes from the environment", "X\nNOT_SET\nX2 # c", "X=env", nil},
		{"names of other programs", "a.b-c=1\n1A=2", "a.b-c=1;1A=2", nil},
		{"reference with an alternative", "A=${X:+y}${NO:+z}", "A=y", nil},
		{"a name that is none", "é=1", "", []string{".env:1:1: a name is expected here [MZ013]"}},

		{"no equals sign", "ok=1\n  some words here\nok2=2", "ok=1;ok2=2", []string{`.env:2:8: "=" is expected after the name [MZ013]`}},
		{"no name", "=canary", "", []string{".env:1:1: a name is expected here [MZ013]"}},
		{"unclosed quote", "A='canary\nB=2\n", "B=2", []string{".env:1:3: the quote that opens here is not closed [MZ013]"}},
		{"unclosed double quote", "A=1\nB=\"canary\\", "A=1", []string{".env:2:3: the quote that opens here is not closed [MZ013]"}},
		{"text after a quote", "A='canary'canary\nB=2", "B=2", []string{".env:1:11: only a comment may stand after the closing quote [MZ013]"}},
		{"a dollar sign in a password", "A=canary$canary\nB=2", "B=2",
			[]string{`.env:1:3: the value refers to a variable that is not set before this line [MZ013]`}},
		{"required", "A=${EMPTY:?}", "", []string{`.env:1:3: the value refers to a variable that is not set before this line [MZ013]`}},
		{"unclosed reference", "é='a'\nA=\"x${\"", "", []string{".env:1:1: a name is expected here [MZ013]",
			".env:2:4: a \"${\" in this value is not a reference to a variable [MZ013]"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ps := readDotenvText(test.text)
			expect(t, ps, test.problems...)
			if got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
			for _, p := range ps {
				if strings.Contains(p.Error()+p.Hint, "canary") {
					t.Errorf("a part of a value shows: %v", p)
				}
			}
		})
	}
}

// Inside an env file what the files said comes first; inside .env, which the
// environment overrules, the environment does.
func TestDotenvReferences(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": "v: $V\n", ".env": "X=file\nV=$X\n", "one.env": "X=one\n", "two.env": "V=$X-$Y\n"})
	for _, test := range []struct {
		files []string
		want  string
	}{{nil, "env"}, {[]string{"one.env", "two.env"}, "one-y"}} {
		spec := mustLoad(t, Options{Dir: dir, Files: []string{"a.yaml"}, ValueFiles: envFiles(test.files...),
			LookupEnv: environment("X=env", "Y=y")})
		if got := spec.Root.Get("v").Text(); got != test.want {
			t.Errorf("with %v: %q, want %q", test.files, got, test.want)
		}
	}
}

func TestDotenvThatIsAFolder(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": "v: 1\n", ".env/x": ""})
	_, ps := Load(Options{Dir: dir, Files: []string{"a.yaml"}})
	expect(t, ps, ".env: is a folder, not a file [MZ001]")
}

// A reference that doubles at each line does not fill the memory.
func TestDotenvIsBounded(t *testing.T) {
	text := "A=" + strings.Repeat("x", 1000) + "\n" + strings.Repeat("A=$A$A\n", 10_000)
	values, ps := map[string]string{}, Problems{}
	d := &dotenv{file: ".env", text: text, report: func(p *Problem) { ps = append(ps, p) },
		set:    func(key, text string, _ Pos) { values[key] = text },
		lookup: func(name string) (string, bool) { v, ok := values[name]; return v, ok }}
	d.parse()
	if len(ps) != 1 || ps[0].Rule != RuleLimit {
		t.Errorf("got %v", ps)
	}
	if got := len(values["A"]); got > 4*maxScalar {
		t.Errorf("the value has %d bytes", got)
	}
}
