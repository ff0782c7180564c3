package rabbitmq

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// maxName is AMQP's limit of a name or routing key, in bytes. The HTTP API does
// not check it everywhere.
const maxName = 255

// checkName reports a name that the broker refuses, changes, or cannot be asked
// for. It returns whether the name is good.
func checkName(r *resources.Resource, name, what string, report resources.Report) bool {
	if wrong := nameProblem(name); wrong != "" {
		report(ruleName.At(r.KeyPos, fmt.Sprintf("the name of this %s %s", what, wrong), ""))
		return false
	}
	return true
}

// nameProblem says what is wrong with a name, "" when nothing is.
func nameProblem(name string) string {
	switch {
	case name == "":
		return "is empty"
	case name == "." || name == "..":
		return "is \"" + name + "\", which no URL can hold, so it could never be changed or removed"
	default:
		return textProblem(name)
	}
}

// textProblem is nameProblem for what may be empty: a routing key.
func textProblem(text string) string {
	switch {
	case len(text) > maxName:
		return fmt.Sprintf("has %d bytes, and AMQP allows %d", len(text), maxName)
	case !utf8.ValidString(text):
		return "is not UTF-8, and the broker could then no longer list its objects"
	case strings.ContainsFunc(text, unicode.IsControl):
		return "holds a control character, which the broker drops or cannot list"
	default:
		return ""
	}
}

// beyondRE2 are the constructs of the broker's PCRE that Go's engine does not
// have: lookaround, atomic groups, backreferences, possessive quantifiers,
// conditions and recursion.
var beyondRE2 = regexp.MustCompile(`\(\?(=|!|<=|<!|>|\||\(|R|&|P=|P>|#|[0-9])|\\[1-9]|\\k[<{']|\\g[0-9{<']|[*+?}]\+|\\[GKRXh]`)

// checkPattern reports a regular expression that the broker would refuse, and
// with anchor one that matches more than it seems to. It returns the compiled
// expression, nil when only the broker can read it.
func checkPattern(r *resources.Resource, at string, value resources.Value, anchor bool, report resources.Report) *regexp.Regexp {
	if value == nil {
		return nil // required, and decoding has said so
	}
	pattern, shown := resources.Text(value), resources.Show(value)
	re, err := regexp.Compile(pattern)
	switch {
	case err != nil && beyondRE2.MatchString(pattern):
		report(rulePatternPCRE.At(r.Pos(at), "the regular expression "+shown+" cannot be checked here: it uses what only the broker's engine has",
			""))
		return nil
	case err != nil:
		report(rulePattern.At(r.Pos(at), "the regular expression "+shown+" is not well formed: "+regexReason(err), ""))
		return nil
	case anchor && !isAnchored(pattern):
		report(ruleUnanchored.At(r.Pos(at), "the regular expression "+shown+" matches anywhere in a name, not only at its beginning",
			"begin it with ^"))
	}
	return re
}

func regexReason(err error) string {
	if e, ok := err.(*syntax.Error); ok { //nolint:errorlint // regexp.Compile returns it bare
		return e.Code.String()
	}
	return err.Error()
}

// isAnchored reports whether every branch of the expression begins at the start
// of the name, or matches everything or nothing on purpose.
func isAnchored(pattern string) bool {
	if pattern == "" || pattern == ".*" || pattern == ".+" {
		return true
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	return err != nil || beginsAtStart(parsed.Simplify())
}

func beginsAtStart(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginText, syntax.OpBeginLine:
		return true
	case syntax.OpStar, syntax.OpPlus:
		op := re.Sub[0].Op
		return op == syntax.OpAnyChar || op == syntax.OpAnyCharNotNL || beginsAtStart(re.Sub[0]) && re.Op == syntax.OpPlus
	case syntax.OpCapture:
		return beginsAtStart(re.Sub[0])
	case syntax.OpConcat:
		return len(re.Sub) > 0 && beginsAtStart(re.Sub[0])
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if !beginsAtStart(sub) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// checkExchangeExists reports a reference to an exchange that the spec does not
// declare: the broker takes it, and drops what is sent there.
func checkExchangeExists(r *resources.Resource, all *resources.Declared, name, at, what string, report resources.Report) {
	if isDefaultExchange(name) || inExternal(r) {
		return
	}
	vhost, _ := vhostOf(r.Addr)
	if all.Get(resources.NewAddr(exchangeName, vhost, name)) != nil {
		return
	}
	var names []string
	for _, x := range all.Of(exchangeName) {
		if parts := x.Addr.Parts(); parts[0] == vhost {
			names = append(names, parts[1])
		}
	}
	hint := specs.DidYouMean(name, names)
	if hint == "" {
		hint = "declare it under exchanges, with `external: true` if an application does"
	}
	report(ruleLostTarget.At(r.Pos(at), fmt.Sprintf("the %s %q is not declared; as long as it does not exist, messages sent to it are dropped",
		what, name), hint))
}
