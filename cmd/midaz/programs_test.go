package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
)

// startedPrograms are the places of the source where a program is started, with
// the beginning of its name.
var startedPrograms = map[string]programCase{
	"cmd/midaz/internal/app/git.go: git": {
		name: "git", forward: true, args: []string{"diff", "HEAD"},
		added: []string{"GIT_NO_LAZY_FETCH=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C"},
	},
	"resources/dockerapi/ssh.go: ssh":                 {name: "ssh", args: []string{"plan"}, host: "ssh://me@far"},
	"resources/dockerapi/auth.go: docker-credential-": {name: "docker-credential-test", args: []string{"apply", "-auto-approve"}},
}

// programCase is a command that starts a program.
type programCase struct {
	name    string
	forward bool     // the real program answers
	args    []string // of midaz
	host    string   // of the engine, "" for one that answers
	added   []string // what is added to the environment that midaz was given
}

const programSpec = `version: "1"
stack: test
variables: { CANARY: { sensitive: true } }
services:
  a:
    image: registry.test/a:1
    command: [run, "--password=${CANARY}"]
    environment: { PASSWORD: "${CANARY}" }
`

// TestProgramsGetNoSecret: no program that midaz starts finds a sensitive value
// in its arguments or in its environment, and the environment has nothing that
// midaz was not given but what is listed.
func TestProgramsGetNoSecret(t *testing.T) {
	for place, c := range startedPrograms {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for name, text := range map[string]string{cli.DefaultSpec: programSpec, ".env": "CANARY=" + canary + "\n",
				"config.json": fmt.Sprintf(`{"auths":{"other.test":{"username":"u","password":%q}},"credHelpers":{"registry.test":"test"}}`, canary)} {
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.forward {
				commitSpec(t)
			}
			recorded := filepath.Join(t.TempDir(), "recorded")
			recordProgram(t, c, recorded)
			before := os.Environ()
			output := runWithPrograms(t, c)
			text, err := os.ReadFile(recorded)
			if err != nil {
				t.Fatalf("%s was not started: %s", place, output)
			}
			if strings.Contains(string(text), canary) {
				t.Errorf("a secret reaches the program:\n%s", around(string(text), canary))
			}
			for variable := range strings.SplitSeq(strings.TrimRight(string(text), "\x00"), "\x00") {
				name, _, isVariable := strings.Cut(variable, "=")
				if isVariable && !strings.HasPrefix(variable, "argument ") && !slices.Contains(before, variable) &&
					!slices.Contains(c.added, variable) && !slices.Contains([]string{"PWD", "OLDPWD", "SHLVL", "_"}, name) {
					t.Errorf("the environment of %s has %s, which midaz was not given", c.name, name)
				}
			}
		})
	}
}

// recordProgram puts a program first in PATH that records what it is given.
func recordProgram(t *testing.T, c programCase, recorded string) {
	t.Helper()
	end := "exit 1"
	if c.forward {
		path, err := exec.LookPath(c.name)
		if err != nil {
			t.Skip(err)
		}
		end = fmt.Sprintf("exec '%s' \"$@\"", path)
	}
	script := fmt.Sprintf("#!/bin/sh\n{ env -0; printf 'argument %%s\\0' \"$@\"; } >>'%s'\n%s\n", recorded, end)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, c.name), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// runWithPrograms runs midaz where an engine without anything answers.
func runWithPrograms(t *testing.T, c programCase) string {
	t.Helper()
	daemon := httptest.NewServer(http.HandlerFunc(emptyEngine))
	defer daemon.Close()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"DOCKER_HOST": "tcp://" + daemon.Listener.Addr().String(), "DOCKER_CONFIG": dir}
	if c.host != "" {
		env["DOCKER_HOST"] = c.host
	}
	var out bytes.Buffer
	sys := fakeSystem()
	sys.Stdin, sys.Stdout, sys.Stderr, sys.World = strings.NewReader(""), &out, &out, app.RealWorld()
	sys.LookupEnv = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	cli.Run(t.Context(), append(slices.Clone(c.args), "-var", "CANARY="+canary), sys)
	return out.String()
}

// emptyEngine answers as an engine that has nothing and makes nothing.
func emptyEngine(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", "1.41")
	w.Header().Set("Content-Type", "application/json")
	_, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case strings.HasSuffix(r.URL.Path, "/_ping"):
	case path == "volumes/create": // a lock
		w.WriteHeader(http.StatusCreated)
		_, _ = io.Copy(w, r.Body)
	case r.Method != http.MethodGet && strings.HasSuffix(path, "/create") && path != "images/create":
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"Id":"1","Name":"1"}`))
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusInternalServerError)
	case path == "version":
		_, _ = w.Write([]byte(`{"Version":"20.10.24","ApiVersion":"1.41","Components":[{"Name":"Engine","Version":"20.10.24"}]}`))
	case path == "info" || path == "volumes":
		_, _ = w.Write([]byte(`{}`))
	case strings.HasSuffix(path, "/json") && path != "containers/json" && path != "images/json":
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"message":"No such object"}`))
	default:
		_, _ = w.Write([]byte(`[]`))
	}
}

// commitSpec makes the folder a repository whose commit has the spec.
func commitSpec(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{{"init", "-q"}, {"add", cli.DefaultSpec}, {"-c", "user.name=ann", "-c", "user.email=ann@example.org", "-c",
		"commit.gpgsign=false", "commit", "-qm", "spec"}} {
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
}

// TestEveryStartedProgramIsTried finds in the source where programs are started.
func TestEveryStartedProgramIsTried(t *testing.T) {
	var found []string
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		name := filepath.ToSlash(strings.TrimPrefix(path, "../../"))
		switch {
		case err != nil:
			return err
		case d.IsDir() && name == "e2e":
			return fs.SkipDir // programs of the tests
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			for _, program := range programsStarted(t, path) {
				found = append(found, name+": "+program)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range found {
		if _, ok := startedPrograms[place]; !ok {
			t.Errorf("%s is started, and nothing looks at what it gets: give it an entry in startedPrograms", place)
		}
	}
	for place := range startedPrograms {
		if !slices.Contains(found, place) {
			t.Errorf("%s is not started any more", place)
		}
	}
}

// programsStarted returns the programs that a file starts: the first text among
// the arguments, or how it is started where there is none.
func programsStarted(t *testing.T, path string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	starts := []string{"exec.Command", "exec.CommandContext", "exec.Cmd", "os.StartProcess", "syscall.Exec", "syscall.ForkExec",
		"syscall.StartProcess", "unix.Exec"}
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		var fun ast.Expr
		var args []ast.Expr
		switch n := n.(type) {
		case *ast.CallExpr:
			fun, args = n.Fun, n.Args
		case *ast.CompositeLit:
			fun = n.Type
		}
		sel, ok := fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		from, ok := sel.X.(*ast.Ident)
		if how := fmt.Sprint(from, ".", sel.Sel); ok && slices.Contains(starts, how) {
			out = append(out, firstText(args, how))
		}
		return true
	})
	return out
}

func firstText(args []ast.Expr, otherwise string) string {
	for _, arg := range args {
		if sum, ok := arg.(*ast.BinaryExpr); ok {
			arg = sum.X
		}
		if lit, ok := arg.(*ast.BasicLit); ok {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				return text
			}
		}
	}
	return otherwise
}
