package specs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of one spec file. A file within them can be read in a few hundred
// megabytes, whatever it holds.
const (
	maxBytes    = 8 << 20   // of text
	maxMarks    = 2_000_000 // characters that can begin a value
	maxDepth    = 64        // nested maps and lists, aliases followed
	maxValues   = 1_000_000 // values, aliases unfolded
	maxProblems = 1_000     // reported in one run
)

// stdinName is the file name that stands for standard input.
const stdinName = "-"

// source is one spec file that was read, kept for snippets, ignore comments
// and the folder that relative paths start at.
type source struct {
	name    string
	dir     string
	lines   []string
	ignores map[int][]ignore // by the line they hold for
}

// readSource reads a spec file and splits it into lines. The text is UTF-8
// without a byte order mark when ok.
func (l *loader) readSource(name string) (src *source, text []byte, ok bool) {
	src = &source{name: name, dir: l.dir}
	if name != stdinName {
		src.dir = filepath.Dir(l.path(name))
	}
	text, ok = l.readSpec(name)
	if !ok {
		return src, nil, false
	}
	// Each value costs the parser some two hundred bytes, before any of them can
	// be counted.
	marks := 0
	for _, c := range text {
		switch c {
		case '\n', '\r', ',', ':', '-', '?', '[', '{':
			marks++
		}
	}
	if marks > maxMarks {
		l.report(RuleLimit.At(Pos{File: name}, "holds too many values", "split the spec into several files"))
		return src, nil, false
	}
	src.lines = splitLines(string(text))
	return src, text, l.checkText(src, text)
}

// readSpec reads a spec file, of today or of the past, and remembers it.
func (l *loader) readSpec(name string) ([]byte, bool) {
	file := File{Name: name, Mode: 0o644, Spec: true}
	if name != stdinName {
		file.Name = l.spec.named.name(l.path(name))
	}
	l.spec.order = append(l.spec.order, file.Name)
	text, _, found, err := l.spec.named.readPast(file.Name)
	switch {
	case err != nil:
		l.report(RuleFile.At(Pos{File: name}, err.Error(), ""))
		return nil, false
	case !found:
		var ok bool
		if text, ok = l.readText(name); !ok {
			return nil, false
		}
	}
	l.spec.named.remember(file, text)
	return text, true
}

// path returns the absolute path of a file name as given.
func (l *loader) path(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(l.dir, name)
}

// readText reads a file of at most maxBytes. Every reason why it cannot be
// read is a problem.
func (l *loader) readText(name string) ([]byte, bool) {
	at := Pos{File: name}
	if text, ok := l.opt.Texts[name]; ok {
		return l.readLimited(at, strings.NewReader(text))
	}
	if name == stdinName {
		if l.opt.Stdin == nil || l.stdinRead {
			l.report(RuleFile.At(at, "standard input can be read only once", "give \"-\" a single time"))
			return nil, false
		}
		l.stdinRead = true
		return l.readLimited(at, l.opt.Stdin)
	}
	f, err := l.open(name)
	switch {
	case errors.Is(err, errOutside):
		l.report(RuleFile.At(at, err.Error(), "keep what the spec needs beside it, in the repository"))
		return nil, false
	case err != nil:
		l.report(RuleFile.At(at, "cannot be read: "+reason(err), missingHint(err)))
		return nil, false
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		l.report(RuleFile.At(at, "is a folder, not a file", "name the spec file inside it"))
		return nil, false
	}
	return l.readLimited(at, f)
}

// open opens a file of the disk. Files of values were named by whoever runs the
// program, and may lie anywhere.
func (l *loader) open(name string) (*os.File, error) {
	if slices.ContainsFunc(l.opt.ValueFiles, func(f ValueFile) bool { return f.Name == name }) {
		return os.Open(l.path(name))
	}
	return l.spec.named.open(l.path(name))
}

func (l *loader) readLimited(at Pos, r io.Reader) ([]byte, bool) {
	text, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		l.report(RuleFile.At(at, "cannot be read: "+reason(err), ""))
		return nil, false
	}
	if len(text) > maxBytes {
		l.report(RuleLimit.At(at, fmt.Sprintf("is larger than %d MiB", maxBytes>>20), "split the spec into several files"))
		return nil, false
	}
	return bytes.TrimPrefix(text, []byte("\ufeff")), true
}

// reason returns what the system said, without the path, which the position
// already tells.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

func missingHint(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "check the path; relative paths start at the current folder, or at the one given with -chdir"
	}
	return ""
}

// checkText reports the first character that YAML does not allow, with its
// place, which the parser could not tell.
func (l *loader) checkText(src *source, text []byte) bool {
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
		l.report(RuleSyntax.At(Pos{File: src.name, Line: 1, Col: 1}, "the text is UTF-16", "save the file as UTF-8"))
		return false
	}
	for n, line := range src.lines {
		col := 1
		for i := 0; i < len(line); col++ {
			r, size := utf8.DecodeRuneInString(line[i:])
			at := Pos{File: src.name, Line: n + 1, Col: col}
			switch {
			case r == utf8.RuneError && size <= 1:
				l.report(RuleSyntax.At(at, "the text is not UTF-8 here", "save the file as UTF-8"))
				return false
			case !allowedRune(r):
				l.report(RuleSyntax.At(at, fmt.Sprintf("character %U is not allowed in YAML", r),
					"remove it, or write it as an escape in double quotes"))
				return false
			}
			i += size
		}
	}
	return true
}

// allowedRune tells which characters YAML 1.2 lets stand in a file (section
// 5.1 of its specification).
func allowedRune(r rune) bool {
	switch {
	case r == '\t', r == 0x85, r >= 0x20 && r <= 0x7e:
		return true
	case r == 0xfeff:
		return false
	default:
		return r >= 0xa0 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= 0x10ffff
	}
}

// splitLines cuts text at the line breaks that yaml.v3 counts: CR LF, LF, CR,
// NEL, LS and PS.
func splitLines(text string) []string {
	lines := make([]string, 0, strings.Count(text, "\n")+1)
	start := 0
	for i := 0; i < len(text); {
		size := breakSize(text[i:])
		if size == 0 {
			i++
			continue
		}
		lines = append(lines, text[start:i])
		i += size
		start = i
	}
	return append(lines, text[start:])
}

func breakSize(s string) int {
	switch {
	case strings.HasPrefix(s, "\r\n"):
		return 2
	case s[0] == '\n', s[0] == '\r':
		return 1
	case s[0] == 0xc2 && strings.HasPrefix(s, "\u0085"):
		return 2
	case s[0] == 0xe2 && (strings.HasPrefix(s, "\u2028") || strings.HasPrefix(s, "\u2029")):
		return 3
	default:
		return 0
	}
}
