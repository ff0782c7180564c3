package draft

import (
	"regexp"
	"strings"
)

// Reference is one ${NAME…} of a text: its name, its operator (":-", "-", ":?",
// "?", ":+", "+" or none) and what stands behind that.
type Reference struct{ Name, Op, Word string }

func (r Reference) String() string { return "${" + r.Name + r.Op + r.Word + "}" }

var referenceHead = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)(:?[-?+])?`)

// eachReference replaces each reference of a text, and first those inside it.
func eachReference(text string, change func(Reference) string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		if strings.HasPrefix(text[i:], "$$") {
			b.WriteString("$$")
			i += 2
			continue
		}
		head := referenceHead.FindStringSubmatch(text[i:])
		end := endOfReference(text[i:])
		if head == nil || end < len(head[0]) {
			b.WriteByte(text[i])
			i++
			continue
		}
		r := Reference{head[1], head[2], text[i+len(head[0]) : i+end]}
		r.Word = eachReference(r.Word, change)
		b.WriteString(change(r))
		i += end + 1
	}
	return b.String()
}

// endOfReference is the index of the brace that ends the reference that the text
// begins with, -1 for none.
func endOfReference(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "$$"):
			i++
		case strings.HasPrefix(text[i:], "${"):
			depth++
			i++
		case text[i] == '}':
			if depth--; depth == 0 {
				return i
			}
		case depth == 0:
			return -1
		}
	}
	return -1
}

// HasDefault reports whether each reference to the variable brings its own value
// for when it is not set.
func (d *Draft) HasDefault(name string) bool {
	all := true
	see := func(text string) string {
		return eachReference(text, func(r Reference) string {
			if r.Name == name && !strings.HasSuffix(r.Op, "-") && !strings.HasSuffix(r.Op, "+") {
				all = false
			}
			return r.String()
		})
	}
	for _, s := range d.Sections() {
		for _, e := range s.Entries {
			mapTexts(e.Fields, see)
		}
	}
	return all
}
