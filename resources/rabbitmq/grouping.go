package rabbitmq

import (
	"cmp"
	"fmt"
	"maps"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
)

// A policy is generated for each queue with fields of its own, and the plan shows
// one for each. On the broker, queues with equal settings share one: every write
// of a policy costs the broker time in proportion to its queues and to the length
// of all patterns, so that 500 policies for 2,000 queues take minutes and one
// takes a second.
//
//	midaz-queue.QUEUE          settings that only one queue has
//	midaz-queues.STACK.HASH.N  settings that several queues have; N counts the
//	                           parts of a group whose pattern would be too long
//
// HASH is of the settings and the priority: policies of one name always say the
// same, and only the queues that they are for change. Stacks applied by earlier
// versions have one policy for each queue, which reads as the same settings; they
// are regrouped when settings change.

const groupPrefix = "midaz-queues."

// longestPattern bounds the pattern of a group in bytes. RabbitMQ 4.0 refuses one
// of 40,000 ("regular expression is too large") and takes 20,000; while queues
// change hands a pattern may be twice as long as afterward.
const longestPattern = 8000

// queueSettings are the settings of one queue.
type queueSettings struct {
	queue      string
	priority   int64
	definition map[string]any
}

// key tells which queues may share a policy.
func (s queueSettings) key() string {
	return hashText(fmt.Sprint(s.priority) + string(resources.Canonical(map[string]any(s.definition))))[:12]
}

// grouped is a policy on the broker with the queues that it is for.
type grouped struct {
	name       string
	queues     []string // sorted
	priority   int64
	definition map[string]any
}

func (g *grouped) body() map[string]any {
	return map[string]any{"pattern": namesPattern(g.queues), "apply-to": "queues", "priority": g.priority, "definition": g.definition}
}

// says reports whether the policy on the broker says the same.
func (g *grouped) says(other *grouped) bool {
	return other != nil && g.priority == other.priority && resources.Equal(g.definition, other.definition) &&
		slices.Equal(g.queues, other.queues)
}

// layout groups queues of one key.
func layout(stack string, all []queueSettings) []*grouped {
	if len(all) == 1 {
		return []*grouped{{name: generatedPrefix + all[0].queue, queues: []string{all[0].queue}, priority: all[0].priority,
			definition: all[0].definition}}
	}
	var queues []string
	for _, s := range all {
		queues = append(queues, s.queue)
	}
	slices.Sort(queues)
	var out []*grouped
	for i, part := range split(slices.Compact(queues)) {
		out = append(out, &grouped{name: fmt.Sprintf("%s%s.%s.%d", groupPrefix, stack, all[0].key(), i), queues: part,
			priority: all[0].priority, definition: all[0].definition})
	}
	return out
}

// split halves a sorted list until the pattern of each part is short enough.
func split(names []string) [][]string {
	if len(names) == 1 || len(namesPattern(names)) <= longestPattern {
		return [][]string{names}
	}
	half := len(names) / 2
	return append(split(names[:half]), split(names[half:])...)
}

// write is one call: a policy to put, or with remove one to delete.
type policyWrite struct {
	*grouped
	remove bool
}

// transition returns the writes that bring policies from what is there to what is
// wanted. First everything wanted is put, still with the queues that leave it;
// only then policies lose queues or go. So each queue has its old settings or its
// new ones at every moment.
func transition(is, want []*grouped) []policyWrite {
	there := map[string]*grouped{}
	for _, g := range is {
		there[g.name] = g
	}
	var first, then []policyWrite
	for _, g := range want {
		old := there[g.name]
		delete(there, g.name)
		if g.says(old) {
			continue
		}
		wide := *g
		if old != nil && strings.HasPrefix(g.name, groupPrefix) {
			wide.queues = union(g.queues, old.queues)
		}
		if !wide.says(old) {
			first = append(first, policyWrite{grouped: &wide})
		}
		if len(wide.queues) > len(g.queues) {
			then = append(then, policyWrite{grouped: g})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		then = append(then, policyWrite{grouped: there[name], remove: true})
	}
	return append(first, then...)
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// ownGroup reports whether a policy is a group of the stack.
func ownGroup(name, stack string) bool {
	rest, ok := strings.CutPrefix(name, groupPrefix+stack+".")
	return ok && strings.Count(rest, ".") == 1
}

// namesPattern is a regular expression that matches exactly the names, which are
// sorted. What names have in common stands in it once: the broker compiles every
// pattern anew for every queue.
func namesPattern(names []string) string { return "^" + alternation(names) + "$" }

func alternation(names []string) string {
	if len(names) == 1 {
		return quotePattern(names[0])
	}
	prefix := commonPrefix(names[0], names[len(names)-1])
	var branches []string
	optional, class := "", true
	for i := 0; i < len(names); {
		rest := names[i][len(prefix):]
		if rest == "" {
			optional = "?"
			i++
			continue
		}
		first := string([]rune(rest)[:1])
		end := i
		for end < len(names) && strings.HasPrefix(names[end][len(prefix):], first) {
			end++
		}
		var tails []string
		for _, n := range names[i:end] {
			tails = append(tails, n[len(prefix):])
		}
		branches = append(branches, alternation(tails))
		class = class && len(tails) == 1 && isPlain(tails[0])
		i = end
	}
	body := "(?:" + strings.Join(branches, "|") + ")"
	switch {
	case class && len(branches) == 1:
		body = branches[0]
	case class:
		body = "[" + strings.Join(branches, "") + "]"
	}
	return quotePattern(prefix) + body + optional
}

// isPlain reports whether a text is one letter or digit, which means itself in a
// class of characters.
func isPlain(s string) bool {
	return len(s) == 1 && (s[0] == '_' || '0' <= s[0] && s[0] <= '9' || 'a' <= s[0] && s[0] <= 'z' || 'A' <= s[0] && s[0] <= 'Z')
}

// commonPrefix returns what two texts begin with, in whole characters.
func commonPrefix(a, b string) string {
	n := 0
	for i, r := range a {
		if !strings.HasPrefix(b[min(i, len(b)):], string(r)) {
			break
		}
		n = i + len(string(r))
	}
	return a[:n]
}

// mostNames bounds how many names are read out of one pattern.
const mostNames = 100_000

// namesIn returns the names that a pattern matches, and whether they can be told:
// of a pattern as namesPattern makes it.
func namesIn(pattern string) ([]string, bool) {
	body, begins := strings.CutPrefix(pattern, "^")
	body, ends := strings.CutSuffix(body, "$")
	if !begins || !ends {
		return nil, false
	}
	re, err := syntax.Parse(body, syntax.Perl)
	if err != nil {
		return nil, false
	}
	names, ok := language(re)
	slices.Sort(names)
	return slices.Compact(names), ok
}

// language returns all texts that an expression without repetition matches.
func language(re *syntax.Regexp) ([]string, bool) {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []string{""}, true
	case syntax.OpLiteral:
		return []string{string(re.Rune)}, re.Flags&syntax.FoldCase == 0
	case syntax.OpCharClass:
		var out []string
		for i := 0; i+1 < len(re.Rune); i += 2 {
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				if out = append(out, string(r)); len(out) > 256 {
					return nil, false
				}
			}
		}
		return out, true
	case syntax.OpQuest:
		out, ok := language(re.Sub[0])
		return append(out, ""), ok
	case syntax.OpAlternate:
		var out []string
		for _, sub := range re.Sub {
			more, ok := language(sub)
			if out = append(out, more...); !ok || len(out) > mostNames {
				return nil, false
			}
		}
		return out, true
	case syntax.OpConcat:
		out := []string{""}
		for _, sub := range re.Sub {
			tails, ok := language(sub)
			if !ok || len(out)*len(tails) > mostNames {
				return nil, false
			}
			var longer []string
			for _, head := range out {
				for _, tail := range tails {
					longer = append(longer, head+tail)
				}
			}
			out = longer
		}
		return out, true
	default:
		return nil, false
	}
}

// ungroup returns the policies as the plan shows them: in the place of a group,
// one for each of its queues. A queue with two, which a killed run leaves, shows
// as one that differs from what any spec says.
func ungroup(objects []*object) []*object {
	out := make([]*object, 0, len(objects))
	byAddr := map[resources.Addr]*object{}
	for _, o := range objects {
		parts := o.addr.Parts()
		if !strings.HasPrefix(parts[1], groupPrefix) {
			out = append(out, o)
			if strings.HasPrefix(parts[1], generatedPrefix) {
				byAddr[o.addr] = o
			}
		}
	}
	for _, o := range objects {
		parts := o.addr.Parts()
		if !strings.HasPrefix(parts[1], groupPrefix) {
			continue
		}
		names, ok := namesIn(o.have.Text("pattern"))
		if !ok {
			continue // changed by hand: its queues have no policy that can be told
		}
		for _, name := range names {
			single := &object{addr: generatedAddr(resources.NewAddr(queueName, parts[0], name)), refs: o.refs, have: o.have.Clone()}
			single.have["pattern"] = "^" + quotePattern(name) + "$"
			if first := byAddr[single.addr]; first != nil {
				stronger := cmp.Compare(single.have.Int("priority"), first.have.Int("priority")) > 0
				if stronger {
					first.have = single.have
				}
				first.have["pattern"] = fmt.Sprintf("%s (in two policies, one of them %s)", single.have.Text("pattern"), parts[1])
				continue
			}
			byAddr[single.addr] = single
			out = append(out, single)
		}
	}
	return out
}
