package specs

import (
	"regexp"
	"slices"
	"strings"
)

// ignore is a `# midaz:ignore` comment.
type ignore struct {
	codes  []string
	reason string
	pos    Pos
}

var (
	ignoreComment = regexp.MustCompile(`(^|\s)#\s*midaz:ignore(\s+(.*))?$`)
	ruleCode      = regexp.MustCompile(`^MZ[0-9]{3}$`)
)

// readIgnores finds the ignore comments of a file. One beside a value holds
// for its line; one alone on its line, for the next line that is neither
// empty nor a comment.
func (l *loader) readIgnores(src *source) {
	src.ignores = map[int][]ignore{}
	var waiting []ignore
	for i, line := range src.lines {
		n, body := i+1, strings.TrimSpace(line)
		alone := strings.HasPrefix(body, "#")
		if strings.Contains(line, "midaz:ignore") {
			if ig, ok := l.ignore(src.name, n, line); ok {
				if alone {
					waiting = append(waiting, ig)
					continue
				}
				src.ignores[n] = append(src.ignores[n], ig)
			}
		}
		if !alone && body != "" {
			src.ignores[n] = append(src.ignores[n], waiting...)
			if waiting = nil; len(src.ignores[n]) == 0 {
				delete(src.ignores, n)
			}
		}
	}
}

// ignore reads one comment. One without codes or without a reason is reported
// and silences nothing.
func (l *loader) ignore(file string, n int, line string) (ignore, bool) {
	m := ignoreComment.FindStringSubmatchIndex(line)
	if m == nil {
		return ignore{}, false
	}
	ig := ignore{pos: Pos{File: file, Line: n, Col: runeCount(line[:m[3]]) + 1}}
	rest := ""
	if m[6] >= 0 {
		rest = line[m[6]:m[7]]
	}
	list, reason, _ := strings.Cut(strings.TrimSpace(rest), " ")
	ig.reason = strings.TrimSpace(reason)
	for _, code := range strings.Split(list, ",") {
		if !ruleCode.MatchString(code) {
			l.report(RuleIgnore.At(ig.pos, "an ignore comment names no code here", "write # midaz:ignore MZ123 reason, or MZ123,MZ124 for several"))
			return ig, false
		}
		ig.codes = append(ig.codes, code)
	}
	if ig.reason == "" {
		l.report(RuleIgnore.At(ig.pos, "an ignore comment gives no reason, so it silences nothing", "write why after the code: # midaz:ignore "+
			list+" because ..."))
		return ig, false
	}
	return ig, true
}

// Silence parts the problems into those that remain and those that an ignore
// comment in the spec silences. Errors remain, unless their rule lets itself
// be silenced. Secrets that the problems point at are hidden from snippets
// from here on, so it wants all problems, before any is shown.
func (s *Spec) Silence(ps Problems) (kept, silenced Problems) {
	s.hide(ps)
	for _, p := range ps {
		if s.silences(p) {
			silenced = append(silenced, p)
			continue
		}
		kept = append(kept, p)
	}
	return kept, silenced
}

func (s *Spec) silences(p *Problem) bool {
	if p.Rule == nil || p.Severity() == Error && !p.Rule.Silenceable {
		return false
	}
	src := s.source(p.Pos.File)
	if src == nil {
		return false
	}
	return slices.ContainsFunc(src.ignores[p.Pos.Line], func(ig ignore) bool { return slices.Contains(ig.codes, p.Rule.Code) })
}
