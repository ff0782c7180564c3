package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/LerianStudio/midaz-infra/"

// rules says for each package what it is for, and which packages of ours it may
// import. The table in docs/architecture.md is made from it. A package that is
// not in it is a question for a reviewer.
var rules = []struct {
	name, task string
	imports    []string
}{
	{"cmd/midaz", "the program, in a few lines",
		[]string{"cmd/midaz/internal/cli"}},
	{"cmd/midaz/internal/app", "what a command does; what happens leaves it as values of report",
		[]string{"cmd/midaz/internal/report", "engine", "engine/graph", "engine/policy", "resources", "resources/docker", "resources/dockerapi",
			"resources/rabbitmq", "resources/rabbitmq/definitions", "resources/rabbitmq/routing", "schema", "specs", "specs/compose",
			"specs/draft"}},
	{"cmd/midaz/internal/cli", "flags, help, completion, exit status; shows what happens in the formats that were asked for",
		[]string{"cmd/midaz/internal/app", "cmd/midaz/internal/render", "cmd/midaz/internal/report", "engine", "engine/policy", "resources",
			"resources/rabbitmq/routing", "schema", "specs"}},
	{"cmd/midaz/internal/render", "every word and picture: text, JSON, SARIF, Markdown, HTML, SVG, metrics",
		[]string{"cmd/midaz/internal/render/layout", "cmd/midaz/internal/report", "engine", "engine/graph", "engine/policy", "resources",
			"resources/rabbitmq/definitions", "resources/rabbitmq/routing", "specs", "specs/draft"}},
	{"cmd/midaz/internal/render/layout", "arranges the boxes of a graph",
		[]string{}},
	{"cmd/midaz/internal/report", "what commands produce, as plain values and events",
		[]string{"engine", "engine/policy", "resources", "resources/rabbitmq/definitions", "resources/rabbitmq/routing", "specs", "specs/draft"}},
	{"e2e", "tests on real engines and brokers, with the binary only",
		[]string{}},
	{"engine", "decides what to change, in which order, and does it; finds drift",
		[]string{"engine/graph", "resources", "specs"}},
	{"engine/enginetest", "conformance and random worlds, for tests",
		[]string{"engine", "engine/graph", "resources", "resources/fake", "specs"}},
	{"engine/graph", "orders and walks a graph",
		[]string{}},
	{"engine/policy", "rules about plans (CEL)",
		[]string{"resources", "specs"}},
	{"resources", "the contract between the engine and the kinds: fields, tables, resources, differences, secrets",
		[]string{"specs"}},
	{"resources/conform", "what every kind must satisfy without an engine, for tests",
		[]string{"resources", "specs"}},
	{"resources/docker", "networks, volumes, images, services, and jobs on one Docker Engine",
		[]string{"resources", "resources/dockerapi", "specs", "specs/draft"}},
	{"resources/dockerapi", "how an Engine API is reached: contexts, SSH, TLS, credentials, retries, limits on answers",
		[]string{"resources"}},
	{"resources/fake", "kinds in memory, for tests",
		[]string{"resources", "specs"}},
	{"resources/rabbitmq", "the kinds of a RabbitMQ broker",
		[]string{"resources", "resources/rabbitmq/definitions", "resources/rabbitmq/routing", "specs"}},
	{"resources/rabbitmq/brokertest", "a broker in memory, for tests",
		[]string{}},
	{"resources/rabbitmq/definitions", "reads RabbitMQ definitions files into a spec",
		[]string{}},
	{"resources/rabbitmq/routing", "where a message goes, computed from the topology",
		[]string{}},
	{"schema", "whether a spec has the right shape, as a JSON schema and as errors at lines",
		[]string{"resources", "specs"}},
	{"specs", "turns files into values that know where they came from; writes YAML back",
		[]string{}},
	{"specs/compose", "reads Compose files into a draft",
		[]string{"specs", "specs/draft"}},
	{"specs/draft", "a spec that is being written: by an import, or from what runs",
		[]string{}},
}

// mayImport returns the packages that one may import; ok is false for one that is
// not in the table.
func mayImport(name string) (imports []string, ok bool) {
	for _, r := range rules {
		if r.name == name {
			return r.imports, true
		}
	}
	return nil, false
}

// TestDocsPackages holds the table of packages in docs/architecture.md against the
// rules; -update writes it.
func TestDocsPackages(t *testing.T) {
	var table strings.Builder
	table.WriteString("| package | what it is for | may import |\n| --- | --- | --- |\n")
	for _, r := range rules {
		imports := "–"
		if len(r.imports) > 0 {
			imports = "`" + strings.Join(r.imports, "`, `") + "`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", r.name, r.task, imports)
	}
	const path = "../../docs/architecture.md"
	before, after := outsideMarks(t, path, "packages")
	current(t, path, before+table.String()+after)
}

// TestImports holds the table against the code: backends do not see each other
// or the engine, and the engine sees no backend.
func TestImports(t *testing.T) {
	for _, line := range goList(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...") {
		words := strings.Fields(line)
		name, ours := strings.CutPrefix(words[0], module)
		if !ours {
			continue
		}
		allowed, known := mayImport(name)
		if !known {
			if strings.HasPrefix(name, "e2e/") || strings.HasPrefix(name, "specs/") {
				allowed = nil // programs of the tests and of the stack's images
			} else {
				t.Errorf("package %s is not in the table of imports", name)
				continue
			}
		}
		for _, imported := range words[1:] {
			if target, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(allowed, target) {
				t.Errorf("%s imports %s, which the table does not allow", name, target)
			}
		}
	}
}

// TestEngineReachesNoNetwork: what decides cannot talk to anything.
func TestEngineReachesNoNetwork(t *testing.T) {
	for _, name := range goList(t, "-deps", "./engine") {
		switch name {
		case "net", "net/http", "os/exec":
			t.Errorf("engine reaches %s", name)
		}
	}
}

// TestRenderReachesNothing: what puts results into words has no access to the
// world; what it needs is given to it.
func TestRenderReachesNothing(t *testing.T) {
	for _, name := range []string{"report", "render", "render/layout"} {
		for _, line := range goList(t, "-f", `{{join .Imports "\n"}}`, "./cmd/midaz/internal/"+name) {
			switch line {
			case "os", "os/exec", "os/signal", "net", "net/http", "syscall", "github.com/urfave/cli/v2", "golang.org/x/term":
				t.Errorf("%s imports %s", name, line)
			}
		}
	}
}

// TestOnePlaceForEach: flags are known to one package, and the engine and the
// broker behind the kinds to one file.
func TestOnePlaceForEach(t *testing.T) {
	for _, rule := range []struct{ pattern, only string }{
		{"github.com/urfave/cli", "internal/cli/"},
		{module + "resources/docker\"", "internal/app/backends.go"},
		{module + "resources/dockerapi\"", "internal/app/backends.go"},
	} {
		err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
				strings.HasPrefix(path, rule.only) {
				return err
			}
			text, err := os.ReadFile(path)
			if strings.Contains(string(text), "\""+rule.pattern) {
				t.Errorf("%s imports %s, which belongs to %s", path, strings.Trim(rule.pattern, "\""), rule.only)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	command := exec.Command("go", append([]string{"list"}, args...)...)
	command.Dir = "../.."
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
