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

// IsUnpoliced reports whether surely no policy holds.
func (e Effective) IsUnpoliced() bool {
	return e.IsSure() && e.Policy.Policy == nil && e.Operator.Policy == nil
}

// IsSure reports whether it is certain which policies hold.
func (e Effective) IsSure() bool {
	return len(e.Policy.candidates()) == 1 && len(e.Operator.candidates()) == 1
}

// With returns the virtual host with further policies.
func (v *Vhost) With(policies ...*Policy) *Vhost {
	out := *v
	out.Policies = joined(v.Policies, policies)
	return &out
}

// WithOperator returns the virtual host with further operator policies.
func (v *Vhost) WithOperator(policies ...*Policy) *Vhost {
	out := *v
	out.Operator = joined(v.Operator, policies)
	return &out
}

func joined(have, more []*Policy) []*Policy {
	for _, p := range more {
		if p.re == nil {
			p.re, _ = regexp.Compile(p.Pattern)
		}
	}
	return slices.Concat(have, more)
}
