package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	ghtml "github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// rendered is Markdown as GitHub renders it: its dialect, with the HTML in it.
func rendered(t *testing.T, text string) *html.Node {
	t.Helper()
	var b bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(ghtml.WithUnsafe())).Convert([]byte(text),
		&b); err != nil {
		t.Fatal(err)
	}
	balanced(t, b.String())
	doc, err := html.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// balanced checks that every element is closed where it must be.
func balanced(t *testing.T, text string) {
	t.Helper()
	var open []string
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("not closed: %v", open)
			}
			return
		case html.StartTagToken:
			if name, _ := z.TagName(); !slices.Contains([]string{"br", "hr", "img", "input"}, string(name)) {
				open = append(open, string(name))
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Errorf("</%s> within %v", name, open)
				return
			}
			open = open[:len(open)-1]
		}
	}
}

// elements returns all elements of a name, in order.
func elements(n *html.Node, name string) []*html.Node {
	var out []*html.Node
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && d.Data == name {
			out = append(out, d)
		}
	}
	return out
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// unkind is text that would be markup, if it were let.
const unkind = "`</code></details><script>alert(1)</script>\n```\n| a | [x](javascript:alert(1)) *b* @someone #1 <!-- -->"

// unkindPlan has such text wherever a plan has text from outside.
func unkindPlan(t *testing.T) (*engine.Plan, specs.Problems) {
	t.Helper()
	plan := large(t)
	rule := &specs.Rule{Code: "MZ001", Severity: specs.Warning, Title: "x", Explain: "y"}
	for _, c := range plan.Changes {
		if c.Action == resources.Delete {
			c.Reason, c.Have.Notes = unkind, []string{unkind}
			c.Hazards = []resources.Hazard{{Code: resources.DataLoss, Msg: unkind}}
		}
	}
	first := plan.Changes[0]
	first.Want.Config = resources.Config{"text": unkind, "tags": map[string]any{unkind: unkind}}
	plan.Refusals = []engine.Refusal{{Addr: first.Addr, Code: "protected", Msg: unkind, Hint: unkind}}
	return plan, specs.Problems{rule.At(specs.Pos{File: "a|b.yaml", Line: 1, Col: 1}, unkind, unkind)}
}

// TestMarkdownRendered renders every kind of comment: its marker stays, its
// blocks open and close, signs stand where a diff is coloured, and nothing that
// comes from outside is markup.
func TestMarkdownRendered(t *testing.T) {
	plan, problems := unkindPlan(t)
	changed := slices.DeleteFunc(slices.Clone(plan.Changes), func(c *engine.Change) bool { return c.Action != resources.Delete })
	for name, c := range map[string]struct {
		text   string
		marker string
		diffs  bool
	}{
		"plan":             {render.PlanMarkdown(plan, problems, render.MaxComment), "midaz:plan:large", true},
		"plan cut":         {render.PlanMarkdown(plan, problems, 4000), "midaz:plan:large", true},
		"plan cut to less": {render.PlanMarkdown(plan, problems, 1), "midaz:plan:large", true},
		"drift": {render.DriftMarkdown(engine.Drift{Plan: plan, Changed: changed, Pending: plan.Changes}, render.MaxComment),
			"midaz:drift:large", true},
		"validate": {render.ValidateMarkdown("large", problems, render.MaxComment), "midaz:validate:large", false},
		"failed":   {render.FailedMarkdown("plan", "large", errors.New(unkind), nil, render.MaxComment), "midaz:plan:large", false},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.HasPrefix(c.text, "<!-- "+c.marker+" -->\n") {
				t.Errorf("begins with %q", c.text[:min(60, len(c.text))])
			}
			doc := rendered(t, c.text)
			if h := elements(doc, "h3"); len(h) != 1 || textOf(h[0]) != fmt.Sprintf("midaz %s: large", strings.Split(c.marker, ":")[1]) {
				t.Errorf("%d headings", len(h))
			}
			for _, forbidden := range []string{"script", "a", "em", "img"} {
				found := slices.DeleteFunc(elements(doc, forbidden), func(n *html.Node) bool { return strings.Contains(textOf(n), "left out here") })
				if len(found) > 0 {
					t.Errorf("text has become <%s>: %s", forbidden, textOf(found[0].Parent))
				}
			}
			for d := range doc.Descendants() {
				if d.Type == html.CommentNode && strings.TrimSpace(d.Data) != c.marker {
					t.Errorf("a comment: %q", d.Data)
				}
				if d.Type == html.TextNode && strings.Contains(d.Data, "@someone") && d.Parent.Data != "code" &&
					!strings.Contains(c.text, "&#64;someone") {
					t.Error("somebody is called")
				}
			}
			diffs := 0
			for _, code := range elements(doc, "code") {
				if !slices.ContainsFunc(code.Attr, func(a html.Attribute) bool { return a.Val == "language-diff" }) {
					continue
				}
				diffs++
				if inside := elementAbove(code, "details"); inside == nil || len(elements(inside, "summary")) != 1 {
					t.Error("a difference does not stand in a block that opens")
				}
				signs := 0
				for line := range strings.Lines(textOf(code)) {
					if strings.ContainsAny(line[:1], "+-!") {
						signs++
					} else if trimmed := strings.TrimLeft(line, " "); strings.HasPrefix(trimmed, "+ ") || strings.HasPrefix(trimmed, "~ ") ||
						strings.HasPrefix(trimmed, "- ") {
						t.Errorf("a sign is not in the first column: %q", line)
					}
				}
				if signs == 0 {
					t.Errorf("no sign in %q", textOf(code))
				}
			}
			if (diffs > 0) != c.diffs {
				t.Errorf("%d differences", diffs)
			}
			if name == "plan" {
				quotes := elements(doc, "blockquote")
				if len(quotes) != 2 || !strings.Contains(textOf(quotes[0]), "[!CAUTION]") || !strings.Contains(textOf(quotes[1]), "[!WARNING]") ||
					!strings.Contains(textOf(quotes[1]), "box/zz-goes") {
					t.Errorf("%d alerts", len(quotes))
				}
				if tables := elements(doc, "table"); len(tables) != 1 || len(elements(tables[0], "td")) != 3 {
					t.Errorf("%d tables", len(tables))
				}
			}
		})
	}
}

func elementAbove(n *html.Node, name string) *html.Node {
	for p := range n.Ancestors() {
		if p.Type == html.ElementNode && p.Data == name {
			return p
		}
	}
	return nil
}

// One change that is larger than a comment leaves room for the others.
func TestMarkdownOfAHugeChange(t *testing.T) {
	plan := large(t)
	plan.Changes[0].Want.Config = resources.Config{"text": strings.Repeat("long ", 20000)}
	text := render.PlanMarkdown(plan, nil, render.MaxComment)
	if len(text) > render.MaxComment || strings.Contains(text, "new-box-number-0000") || !strings.Contains(text, "new-box-number-0001") {
		t.Errorf("%d bytes: %.500s", len(text), text)
	}
}
