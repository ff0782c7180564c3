package engine

import (
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
)

// redactorOf returns what masks the secrets that a spec declares: the values of
// its sensitive variables, and what is a secret for another reason (a password
// that was written out, a file of passwords).
func redactorOf(all *resources.Declared) *resources.Redactor {
	r := resources.NewRedactor()
	var given []string
	if all.Spec != nil {
		given = all.Spec.Secrets()
	}
	var found []string
	eachSecret(all, func(text string) { found = append(found, text) })
	if len(given)+len(found) == 0 {
		return r
	}
	r.Ignore(namesOf(all)...)
	r.Learn(given...)
	learnWhole(r, found)
	return r
}

// learnWhole adds texts that are secret as a whole.
func learnWhole(r *resources.Redactor, texts []string) {
	for _, text := range texts {
		isReference := strings.Contains(text, "${") // to a variable that has no value here
		if !isReference && !r.Holds(text) {         // else the part that is secret is masked
			r.Learn(text)
		}
	}
}

// recall has the secrets masked that the objects were applied with, also those
// that the spec had before and those of what it no longer declares.
func (s *Seen) recall(declared *resources.Declared) {
	var found []string
	for _, o := range s.All() {
		var want resources.Config
		if r := declared.Get(o.Addr); r != nil {
			want = r.Config
		}
		found = append(found, o.Applied.Recalled(o.Have, want)...)
	}
	if len(found) == 0 {
		return
	}
	declared.Redactor.Ignore(namesOf(declared)...)
	for _, o := range s.All() {
		declared.Redactor.Ignore(o.Addr.Parts()...)
	}
	learnWhole(declared.Redactor, found)
}

// namesOf returns the words that stand all over the output because something is
// called so.
func namesOf(all *resources.Declared) []string {
	names := []string{all.Stack}
	if all.Spec != nil {
		for _, v := range all.Spec.Variables {
			names = append(names, v.Name)
		}
	}
	for _, k := range all.Kinds {
		names = append(append(names, k.Table().Kind), k.Table().Keys()...)
	}
	for _, res := range all.Resources {
		names = append(names, res.Addr.Parts()...)
		for _, field := range []string{"container_name", "name", "hostname", "username", "image"} {
			if name, plain := res.Config[field].(string); plain {
				names = append(append(names, name), strings.FieldsFunc(name, func(c rune) bool { return strings.ContainsRune("/:@", c) })...)
			}
		}
	}
	return names
}

// checkSecrets warns about the values that are masked only where a field holds
// them.
func (r *resolver) checkSecrets(all *resources.Declared) {
	if r.spec == nil {
		return
	}
	if len(r.spec.Secrets()) == 0 {
		return
	}
	used := map[string]bool{}
	for _, v := range r.spec.Values() {
		used[v.Name] = true
	}
	names := map[string]bool{}
	for _, name := range all.Redactor.Ignored() {
		names[name] = true
	}
	for _, v := range r.spec.Variables {
		const hint = "use a longer value that is not a name in the spec"
		switch text := strings.TrimSpace(v.Value); {
		case !v.Sensitive || text == "" || !used[v.Name]:
		case len(text) < resources.LeastRedacted:
			r.report(resources.RuleSensitiveShown.At(v.Pos, "the value of sensitive variable "+v.Name+
				" is so short that it is masked only in the fields that hold it", hint))
		case names[text]:
			r.report(resources.RuleSensitiveShown.At(v.Pos, "the value of sensitive variable "+v.Name+
				" is also a name, so that it is masked only in the fields that hold it", hint))
		}
	}
}
