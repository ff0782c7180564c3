package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"testing"
)

// TestEveryEventIsShown: an event that nothing shows would be lost.
func TestEveryEventIsShown(t *testing.T) {
	events, err := parser.ParseFile(token.NewFileSet(), "internal/report/events.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, file := range []string{"internal/cli/view.go", "internal/render/notice.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^\tcase report\.(\w+):`).FindAllStringSubmatch(string(text), -1) {
			shown[m[1]] = true
		}
	}
	for name, object := range events.Scope.Objects {
		if object.Kind == ast.Typ && !shown[name] {
			t.Errorf("report.%s is not shown", name)
		}
	}
}
