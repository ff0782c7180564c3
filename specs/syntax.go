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
	bareReference = regexp.MustCompile(`[\s\[{,]\$\{`)
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
	before := text[:consumedAtError(text)]
	if strings.Contains(msg, "',' or ") {
		return p.unclosedBracket(p.lastLine(before), before, len(text), line+1)
	}
	return p.explain(msg, p.lastLine(before), before, len(text))
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

// lastLine returns the place of the first character of the last line of text
// that holds anything but spaces and comments.
func (p *parser) lastLine(text []byte) Pos {
	lines := splitLines(string(text))
	for n := len(lines); n > 0; n-- {
		body := strings.TrimLeft(lines[n-1], " \t")
		if body != "" && body[0] != '#' {
			return Pos{File: p.src.name, Line: n, Col: len(lines[n-1]) - len(body) + 1}
		}
	}
	return Pos{File: p.src.name, Line: 1, Col: 1}
}

// lastWord moves a position to the last word that was read on its line, words
// being cut at spaces and at the brackets and commas of flow style.
func lastWord(at Pos, before []byte) Pos {
	lines := splitLines(string(before))
	line := lines[at.Line-1]
	end := len(strings.TrimRight(line, " \t"))
	if start := strings.LastIndexAny(line[:end], " \t[{,") + 1; start < end {
		at.Col = runeCount(line[:start]) + 1
	}
	return at
}

func (p *parser) line(n int) string {
	if n < 1 || n > len(p.src.lines) {
		return ""
	}
	return p.src.lines[n-1]
}

// explain says in words of the spec what the parser's message means. at is the
// last line that was read, before all that was read of the text of that size.
func (p *parser) explain(msg string, at Pos, before []byte, size int) *Problem {
	line := p.line(at.Line)
	if i := strings.IndexByte(line, '\t'); i >= 0 && strings.Trim(line[:i], " ") == "" {
		at.Col = i + 1
		return RuleSyntax.At(at, "a tab in the indentation", "indent with spaces: YAML does not allow tabs there")
	}
	has := func(part string) bool { return strings.Contains(msg, part) }
	switch {
	case has("mapping values are not allowed"):
		return p.secondColon(at, before)
	case has("cannot start any token"), has("expected alphabetic or numeric"), has("unknown directive"), has("directive name"):
		return RuleSyntax.At(lastWord(at, before), "a plain value cannot begin with this character", "put the value in quotes")
	case has("expected node content"):
		return p.unclosedBracket(at, before, size, 0)
	case has("could not find expected ':'"):
		return RuleSyntax.At(at, "a line without \": \" between lines that are keys",
			"write key: value, with a space after the colon; indent the line to continue the value above")
	case has("did not find expected key"), has("did not find expected '-' indicator"),
		has("block sequence entries are not allowed"), has("mapping keys are not allowed"):
		return RuleSyntax.At(at, "this line does not line up with the ones above it",
			"give keys of one map, and items of one list, the same indentation")
	case has("exceeded max depth"):
		return RuleLimit.At(at, fmt.Sprintf("nested more than %d levels deep", maxDepth), "flatten the structure")
	case has("unknown escape"), has("escape code"), has("hexdecimal"):
		return RuleSyntax.At(lastWord(at, before), "not an escape that YAML knows in double quotes", "double the backslash, or use single quotes")
	case has("expected comment or line break"):
		return RuleSyntax.At(lastWord(at, before), "text on the line of a | or >", "begin the text on the next line, indented")
	default:
		return RuleSyntax.At(lastWord(at, before), "not valid YAML: "+msg, "")
	}
}

// secondColon tells a key that is indented too deep from a value that holds
// ": ".
func (p *parser) secondColon(at Pos, before []byte) *Problem {
	lines := splitLines(string(before))
	line := lines[at.Line-1]
	first := strings.Index(line, ": ")
	if first < 0 || strings.LastIndex(line, ":") == first {
		return RuleSyntax.At(at, "this line is indented deeper than its neighbours", "line the key up with those above it")
	}
	value := strings.TrimLeft(line[first+1:], " \t")
	at.Col = runeCount(line) - runeCount(value) + 1
	return RuleSyntax.At(at, "a value without quotes that holds \": \"", "put the value in quotes")
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

// unclosedQuote points at the quote that opened on line n and never closed.
// The parser names the last line instead when the quote opened on the first.
func (p *parser) unclosedQuote(n int) *Problem {
	at := Pos{File: p.src.name, Line: n, Col: lastQuote(p.line(n))}
	if at.Col == 0 {
		at.Line, at.Col = 1, max(1, lastQuote(p.line(1)))
	}
	return RuleSyntax.At(at, "a quote opens here and is never closed", "close it, or write the value without it")
}

// lastQuote returns the column of the last quote that can open a value, 0 when
// there is none.
func lastQuote(line string) int {
	col := 0
	for i, r := range line {
		if (r == '"' || r == '\'') && (i == 0 || strings.ContainsRune(" \t[{,:-", rune(line[i-1]))) {
			col = runeCount(line[:i]) + 1
		}
	}
	return col
}

// unclosedBracket names the bracket that is still open, and where that showed.
// When the parser has read past the bracket's end, all it tells is the line
// where it opened.
func (p *parser) unclosedBracket(at Pos, before []byte, size, line int) *Problem {
	const hint = "close the bracket, or separate the values by commas; quote values that hold , [ ] { }"
	for _, n := range []int{line, at.Line} {
		if col := unquotedReference(p.line(n)); col > 0 {
			at.Line, at.Col = n, col
			return RuleSyntax.At(at, "a reference inside [ ] or { } stands without quotes", "write \"${NAME}\"")
		}
	}
	open, is := p.openBracket(before)
	at = lastWord(at, before)
	if i := strings.LastIndexAny(p.line(line), "[{"); !is && i >= 0 {
		at.Line, at.Col = line, runeCount(p.line(line)[:i])+1
		return RuleSyntax.At(at, "a comma is missing after this bracket", hint)
	}
	if !is {
		return RuleSyntax.At(at, "a value is expected before this", "write the value, or null")
	}
	if open.Line == at.Line && len(before) < size {
		return RuleSyntax.At(at, "a comma or a closing bracket is expected before this", hint).And(open, "the bracket opens here")
	}
	return RuleSyntax.At(open, "a bracket opens here and is not closed", hint)
}

// unquotedReference returns the column of the first "${" of a line that begins
// a value and stands in no quotes, 0 when there is none.
func unquotedReference(line string) int {
	for _, m := range bareReference.FindAllStringIndex(line, -1) {
		before := line[:m[0]+1]
		if strings.Count(before, "\"")%2 == 0 && strings.Count(before, "'")%2 == 0 {
			return runeCount(before) + 1
		}
	}
	return 0
}

// openBracket returns the place of the last bracket of flow style that is not
// closed in text.
func (p *parser) openBracket(text []byte) (Pos, bool) {
	var open []Pos
	var quote rune
	for n, line := range splitLines(string(text)) {
		previous, col := ' ', 0
		for _, r := range line {
			col++
			switch {
			case quote != 0 && r == quote:
				quote = 0
			case quote != 0 || previous == '#':
				continue
			case r == '#' && previous == ' ':
			case (r == '"' || r == '\'') && strings.ContainsRune(" [{,:", previous):
				quote = r
			case (r == '[' || r == '{') && strings.ContainsRune(" [{,:", previous):
				open = append(open, Pos{File: p.src.name, Line: n + 1, Col: col})
			case (r == ']' || r == '}') && len(open) > 0:
				open = open[:len(open)-1]
			}
			previous = r
		}
	}
	if len(open) == 0 {
		return Pos{}, false
	}
	return open[len(open)-1], true
}

func runeCount(s string) int { return utf8.RuneCountInString(s) }
