package routing

import (
	"regexp"
	"slices"
)

// Possible returns everything that may hold for a queue: more than one outcome
// where policies of equal priority match it, or where only the broker's engine
// can read a pattern.
func (v *Vhost) Possible(q *Queue) []Effective {
	sure := v.ForQueue(q)
	arguments := q.settings()
	var out []Effective
	for _, p := range sure.Policy.candidates() {
		for _, o := range sure.Operator.candidates() {
			e := Effective{Policy: Holding{Policy: p}, Operator: Holding{Policy: o}}
			e.Settings = settle(q.Type, arguments, e)
			out = append(out, e)
		}
	}
	return out
}

// candidates returns the policies of which one holds; nil stands for none.
func (h Holding) candidates() []*Policy {
	return slices.Concat([]*Policy{h.Policy}, h.Tied, h.Untried)
}

// MayMatch reports whether the policy may be for the queue: true also where only
// the broker's engine can read the pattern.
func (p *Policy) MayMatch(q *Queue) bool {
	if !Covers(p.ApplyTo, q.Type) {
		return false
	}
	re, err := regexp.Compile(p.Pattern)
	return err != nil || re.MatchString(q.Name)
}
