package specs

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

var (
	yamlErrorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// syntaxProblem turns an error of the YAML parser into a problem with the
// place where the text went wrong and what to do there. The parser names at
// most a line, and often the line where the surrounding map began.
func (p *parser) syntaxProblem(text []byte, err error) *Problem {
	match := yamlErrorLine.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	if match == nil {
		return RuleSyntax.At(Pos{File: p.src.name, Line: 1, Col: 1}, err.Error(), "")
	}
	line, _ := strconv.Atoi(match[1])
	msg := match[2]
	if m := unknownAnchor.FindStringSubmatch(msg); m != nil {
		return p.unknownAnchor(m[1])
	}
	if strings.Contains(msg, "end of stream") && line > 0 && line <= len(p.src.lines) {
		return p.unclosedQuote(line)
	}
	offset := consumedAtError(text)
	at := p.lastToken(text[:offset])
	return p.explain(msg, at, text[:offset])
}

// consumedAtError returns how many bytes the parser had asked for when it gave
// up: it reads strictly forward, so the error lies just before.
func consumedAtError(text []byte) int {
	r := &byByte{text: text}
	func() {
		defer func() { _ = recover() }()
		dec := yaml.NewDecoder(r)
		for {
			var n yaml.Node
			if dec.Decode(&n) != nil {
				return
			}
		}
	}()
	return r.next
}

// byByte hands out its text one byte at a time, so that its next tells how far
// the reader has come.
type byByte struct {
	text []byte
	next int
}

func (r *byByte) Read(into []byte) (int, error) {
	if r.next == len(r.text) {
		return 0, io.EOF
	}
	if len(into) == 0 {
		return 0, nil
	}
	into[0] = r.text[r.next]
	r.next++
	return 1, nil
}

// lastToken returns the place of the first character of the last line of text
// that holds anything but spaces and comments, or of the key or value that
// stands there last.
func (p *parser) lastToken(text []byte) Pos {
	lines := splitLines(string(text))
	for n := len(lines); n > 0; n-- {
		line := strings.TrimRight(lines[n-1], " \t")
		if body := strings.TrimLeft(line, " \t"); body == "" || body[0] == '#' {
			continue
		}
		return Pos{File: p.src.name, Line: n, Col: tokenColumn(line)}
	}
	return Pos{File: p.src.name, Line: 1, Col: 1}
}

// tokenColumn returns the column of the last word of a line, words being cut
// at spaces and at the brackets and commas of flow style.
func tokenColumn(line string) int {
	end := len(line)
	for end > 0 && strings.ContainsRune(" \t:,", rune(line[end-1])) {
		end--
	}
	start := strings.LastIndexAny(line[:end], " \t[{,") + 1
	if end == 0 || start >= end {
		start = len(line) - len(strings.TrimLeft(line, " \t"))
	}
	return runeCount(line[:start]) + 1
}

func (p *parser) line(n int) string {
	if n < 1 || n > len(p.src.lines) {
		return ""
	}
	return p.src.lines[n-1]
}

// explain says in words of the spec what the parser's message means.
func (p *parser) explain(msg string, at Pos, before []byte) *Problem {
	line := p.line(at.Line)
	if i := strings.IndexByte(line, '\t'); i >= 0 && strings.Trim(line[:i], " ") == "" {
		at.Col = i + 1
		return RuleSyntax.At(at, "a tab in the indentation", "indent with spaces: YAML does not allow tabs there")
	}
	switch {
	case strings.Contains(msg, "mapping values are not allowed"):
		return RuleSyntax.At(at, "a second \": \" in one value, or a line indented deeper than its neighbours",
			"put the value in quotes, or line the key up with those above it")
	case strings.Contains(msg, "cannot start any token"):
		return RuleSyntax.At(at, "a plain value cannot begin with this character", "put the value in quotes")
	case strings.Contains(msg, "',' or ']'"), strings.Contains(msg, "',' or '}'"):
		return p.unclosedBracket(at, before)
	case strings.Contains(msg, "could not find expected ':'"):
		return RuleSyntax.At(at, "a line without \": \" between lines that are keys",
			"write key: value, with a space after the colon; indent the line to continue the value above")
	case strings.Contains(msg, "did not find expected key"), strings.Contains(msg, "did not find expected '-' indicator"),
		strings.Contains(msg, "block sequence entries are not allowed"), strings.Contains(msg, "block collection entry not allowed"):
		return RuleSyntax.At(at, "this line does not line up with the ones above it", "give keys of one map, and items of one list, the same indentation")
	case strings.Contains(msg, "exceeded max depth"):
		return RuleLimit.At(at, fmt.Sprintf("nested more than %d levels deep", maxDepth), "flatten the structure")
	case strings.Contains(msg, "unknown escape"), strings.Contains(msg, "escape code"), strings.Contains(msg, "hexdecimal"):
		return RuleSyntax.At(at, "not an escape that YAML knows in double quotes", "double the backslash, or use single quotes")
	default:
		return RuleSyntax.At(at, "not valid YAML: "+msg, "")
	}
}

// unknownAnchor finds the alias, which the parser names without a place.
func (p *parser) unknownAnchor(name string) *Problem {
	at := Pos{File: p.src.name, Line: 1, Col: 1}
	known := []string{}
	found := false
	for n, line := range p.src.lines {
		if i := strings.Index(line, "*"+name); i >= 0 && !found && !nameGoesOn(line[i+1+len(name):]) {
			at.Line, at.Col, found = n+1, runeCount(line[:i])+1, true
		}
		for _, m := range anchorName.FindAllStringSubmatch(line, -1) {
			known = append(known, m[1])
		}
	}
	hint := DidYouMean(name, known)
	if hint == "" {
		hint = "write &" + name + " at the value that is meant, earlier in this file"
	}
	return RuleAlias.At(at, fmt.Sprintf("no anchor %q before this alias in the file", name), hint)
}

var anchorName = regexp.MustCompile(`(?:^|[\s:\-\[{,])&([A-Za-z0-9_\-]+)`)

func nameGoesOn(rest string) bool {
	return rest != "" && (rest[0] == '-' || rest[0] == '_' || rest[0] >= '0' && rest[0] <= '9' ||
		rest[0] >= 'A' && rest[0] <= 'Z' || rest[0] >= 'a' && rest[0] <= 'z')
}

// unclosedQuote points at the quote that opened on the line and never closed.
func (p *parser) unclosedQuote(n int) *Problem {
	line := p.line(n)
	at := Pos{File: p.src.name, Line: n, Col: 1}
	for i, r := range line {
		if (r == '"' || r == '\'') && (i == 0 || strings.ContainsRune(" \t[{,:-", rune(line[i-1]))) {
			at.Col = runeCount(line[:i]) + 1
		}
	}
	return RuleSyntax.At(at, "a quote opens here and is never closed", "close it, or write the value without it")
}

// unclosedBracket names the bracket that is still open before the place.
func (p *parser) unclosedBracket(at Pos, before []byte) *Problem {
	problem := RuleSyntax.At(at, "a list in [ ] or a map in { } is not closed before this, or a comma is missing",
		"close the bracket, or separate the values by commas; quote values that hold , [ ] { }")
	type open struct {
		Pos
		r rune
	}
	var stack []open
	var quote rune
	for n, line := range splitLines(string(before)) {
		previous, col := ' ', 0
		for _, r := range line {
			col++
			switch {
			case quote != 0:
				if r == quote {
					quote = 0
				}
			case r == '#' && previous == ' ':
				previous = '#'
			case previous == '#':
				continue
			case (r == '"' || r == '\'') && strings.ContainsRune(" [{,:", previous):
				quote = r
			case r == '[' || r == '{':
				stack = append(stack, open{Pos{File: p.src.name, Line: n + 1, Col: col}, r})
			case (r == ']' || r == '}') && len(stack) > 0:
				stack = stack[:len(stack)-1]
			}
			previous = r
		}
	}
	if len(stack) > 0 {
		last := stack[len(stack)-1]
		problem.And(last.Pos, "\""+string(last.r)+"\" opens here")
	}
	return problem
}

func runeCount(s string) int { return utf8.RuneCountInString(s) }
