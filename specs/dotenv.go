package specs

import (
	"strings"
	"unicode/utf8"
)

// dotenv reads a file of NAME=value lines as Compose does: comments, `export`,
// single quotes (literal), double quotes (escapes, references, several lines),
// plain values (references, cut at " #"). Nothing of a value is ever repeated
// in a message. Unlike Compose, a reference to what is nowhere set is an
// error: a password with a dollar sign would lose its end.
type dotenv struct {
	file   string
	text   string
	lookup func(string) (string, bool)
	report func(*Problem)
	set    func(key, text string, pos Pos)

	lines []string
	n     int // index of the current line
	bytes int // of all values with references
}

func (d *dotenv) parse() {
	d.text = strings.TrimPrefix(d.text, "\ufeff")
	if !utf8.ValidString(d.text) || strings.Contains(d.text, "\x00") {
		d.report(RuleValuesFile.At(Pos{File: d.file, Line: 1, Col: 1}, "the text is not UTF-8", "save the file as UTF-8"))
		return
	}
	d.lines = strings.Split(strings.ReplaceAll(d.text, "\r\n", "\n"), "\n")
	for ; d.n < len(d.lines); d.n++ {
		if d.bytes > maxExpanded {
			d.report(RuleLimit.At(d.at(0), "the values are too large with their references substituted", ""))
			return
		}
		d.entry()
	}
}

func (d *dotenv) at(byteCol int) Pos {
	line := d.lines[d.n]
	return Pos{File: d.file, Line: d.n + 1, Col: runeCount(line[:min(byteCol, len(line))]) + 1}
}

func (d *dotenv) wrong(byteCol int, msg, hint string) {
	d.report(RuleValuesFile.At(d.at(byteCol), msg, hint))
}

func (d *dotenv) entry() {
	line := d.lines[d.n]
	i := skipBlank(line, 0)
	if i == len(line) || line[i] == '#' {
		return
	}
	if rest, ok := strings.CutPrefix(line[i:], "export"); ok && rest != "" && (rest[0] == ' ' || rest[0] == '\t') {
		i = skipBlank(line, i+len("export"))
	}
	start := i
	for i < len(line) && (isNameByte(line[i]) || line[i] == '.' || line[i] == '-') {
		i++
	}
	key, keyPos := line[start:i], d.at(start)
	i = skipBlank(line, i)
	switch {
	case key == "":
		d.wrong(start, "a name is expected here", "write NAME=value; a comment begins with #")
		return
	case i == len(line) || line[i] == '#':
		// A name alone takes its value from the environment, as in Compose.
		if text, ok := d.lookup(key); ok {
			d.set(key, text, keyPos)
		}
		return
	case line[i] != '=' && line[i] != ':':
		d.wrong(i, "\"=\" is expected after the name", "write NAME=value, with no spaces in the name")
		return
	}
	if text, ok := d.value(skipBlank(line, i+1)); ok {
		d.set(key, text, keyPos)
	}
}

func (d *dotenv) value(i int) (string, bool) {
	line := d.lines[d.n]
	if i < len(line) && (line[i] == '\'' || line[i] == '"') {
		return d.quoted(i)
	}
	end := len(line)
	for j := i; j < len(line); j++ {
		if line[j] == '#' && (j == i || line[j-1] == ' ' || line[j-1] == '\t') {
			end = j
			break
		}
	}
	return d.expand(strings.TrimSpace(line[i:end]), d.n, i)
}

// quoted reads a value in quotes, which may go on over several lines. After it
// only a comment may stand.
func (d *dotenv) quoted(i int) (string, bool) {
	quote, first, firstCol := d.lines[d.n][i], d.n, i
	var out strings.Builder
	for i++; ; i++ {
		line := d.lines[d.n]
		if i >= len(line) {
			if d.n+1 == len(d.lines) {
				d.n = first
				d.wrong(firstCol, "the quote that opens here is not closed", "close it")
				return "", false
			}
			d.n++
			i = -1
			out.WriteByte('\n')
			continue
		}
		switch c := line[i]; {
		case c == quote:
			if rest := strings.TrimLeft(line[i+1:], " \t"); rest != "" && rest[0] != '#' {
				d.wrong(i+1, "only a comment may stand after the closing quote", "put the whole value in one pair of quotes")
				return "", false
			}
			if quote == '\'' {
				return out.String(), true
			}
			return d.expand(out.String(), first, firstCol+1)
		case c == '\\' && quote == '"' && i+1 < len(line):
			i++
			out.WriteString(unescape(line[i]))
		default:
			out.WriteByte(c)
		}
	}
}

// unescape returns what a backslash and c stand for in double quotes. An
// escaped dollar sign is doubled, so that expanding leaves one.
func unescape(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	case '$':
		return "$$"
	case '"', '\\', '\'':
		return string(c)
	default:
		return "\\" + string(c)
	}
}

// expand substitutes references in a value that began at the line and byte.
func (d *dotenv) expand(text string, n, col int) (string, bool) {
	if !strings.Contains(text, "$") {
		return text, true
	}
	at := Pos{File: d.file, Line: n + 1, Col: runeCount(d.lines[n][:min(col, len(d.lines[n]))]) + 1}
	parts, bad := splitReferences(text)
	if len(bad) > 0 {
		d.report(RuleValuesFile.At(at, "a \"${\" in this value is not a reference to a variable",
			"write the value in single quotes to keep it as it is"))
		return "", false
	}
	var out strings.Builder
	if !d.expandParts(parts, &out) {
		// The name may be the end of a password, so it is not told.
		d.report(RuleValuesFile.At(at, "the value refers to a variable that is not set before this line",
			"write the value in single quotes to keep the dollar sign, or set the variable first"))
		return "", false
	}
	d.bytes += out.Len()
	return out.String(), true
}

// expandParts reports whether every variable had a value.
func (d *dotenv) expandParts(parts []part, out *strings.Builder) bool {
	for _, p := range parts {
		if out.Len() > maxScalar {
			return true
		}
		if p.ref == nil {
			out.WriteString(p.text)
			continue
		}
		text, set := d.lookup(p.ref.name)
		given := set && (text != "" || !strings.HasPrefix(p.ref.op, ":"))
		switch strings.TrimPrefix(p.ref.op, ":") {
		case "-":
			if given {
				out.WriteString(text)
			} else if !d.expandParts(p.ref.word, out) {
				return false
			}
		case "+":
			if given && !d.expandParts(p.ref.word, out) {
				return false
			}
		default:
			if !given {
				return false
			}
			out.WriteString(text)
		}
	}
	return true
}

func skipBlank(line string, i int) int {
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	return i
}

func isNameByte(c byte) bool {
	return c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
}
