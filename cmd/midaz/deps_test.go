package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/LerianStudio/midaz-infra/"

// mayImport says which packages of ours each package may import. A package
// that is not in the table is a question for a reviewer.
var mayImport = map[string][]string{
	"specs":                          {},
	"specs/draft":                    {},
	"specs/compose":                  {"specs", "specs/draft"},
	"schema":                         {"specs", "resources"},
	"resources":                      {"specs"},
	"resources/dockerapi":            {"resources"},
	"resources/docker":               {"specs", "specs/draft", "resources", "resources/dockerapi"},
	"resources/rabbitmq":             {"specs", "resources", "resources/rabbitmq/routing", "resources/rabbitmq/definitions"},
	"resources/rabbitmq/routing":     {},
	"resources/rabbitmq/definitions": {},
	"resources/fake":                 {"specs", "resources"},
	"resources/conform":              {"specs", "resources"},
	"engine/graph":                   {},
	"engine/policy":                  {"specs", "resources"},
	"engine":                         {"specs", "resources", "engine/graph"},

	// For tests only.
	"resources/rabbitmq/brokertest":    {},
	"engine/enginetest":                {"specs", "resources", "resources/fake", "engine", "engine/graph"},
	"cmd/midaz/internal/report":        {"specs", "resources", "resources/rabbitmq/routing", "engine"},
	"cmd/midaz/internal/render/layout": {},
	"cmd/midaz/internal/render":        {"specs", "specs/draft", "resources", "resources/rabbitmq/routing", "resources/rabbitmq/definitions", "engine", "engine/graph", "engine/policy", "cmd/midaz/internal/report", "cmd/midaz/internal/render/layout"},
	"cmd/midaz":                        {"cmd/midaz/internal/report", "cmd/midaz/internal/render", "specs", "specs/draft", "specs/compose", "schema", "resources", "resources/docker", "resources/dockerapi", "resources/rabbitmq", "resources/rabbitmq/routing", "resources/rabbitmq/definitions", "engine", "engine/graph", "engine/policy"},
	"e2e":                              {},
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
		allowed, known := mayImport[name]
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
