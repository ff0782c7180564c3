package specs

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// scope is what references are looked up in: the declared variables, and all
// texts that were given, by source.
type scope struct {
	variables map[string]*variable
	vars      map[string]value // -var
	files     map[string]value // -var-file, over --env-file
	dotEnv    map[string]value // .env beside the first spec file
	lookupEnv func(string) (string, bool)
	pinned    map[string]*string // Options.Pinned
	// pinnedFrom is Options.PinnedFrom, for messages.
	pinnedFrom string

	// Files that the spec names are expanded later, and may be so at once.
	mu    sync.Mutex
	loose map[string]value // undeclared variables, looked up once
	used  map[string]bool  // referred to anywhere
}

func newScope(lookupEnv func(string) (string, bool)) *scope {
	return &scope{
		variables: map[string]*variable{}, vars: map[string]value{}, files: map[string]value{}, dotEnv: map[string]value{},
		lookupEnv: lookupEnv, loose: map[string]value{}, used: map[string]bool{},
	}
}

// find returns the strongest text given for a name, apart from a default.
func (s *scope) find(name string) value {
	if v, ok := s.vars[name]; ok {
		return v
	}
	if pinned, ok := s.pinned[name]; ok {
		if pinned == nil {
			return value{}
		}
		return value{text: *pinned, from: s.pinnedFrom, set: true}
	}
	if v, ok := s.files[name]; ok {
		return v
	}
	if text, ok := s.environment(name); ok {
		return value{text: text, from: "environment", set: true}
	}
	return s.dotEnv[name]
}

func (s *scope) environment(name string) (string, bool) {
	if s.lookupEnv == nil {
		return "", false
	}
	if text, ok := s.lookupEnv("MIDAZ_VAR_" + name); ok {
		return text, true
	}
	return s.lookupEnv(name)
}

// lookup returns the value of a variable, declared or not.
func (s *scope) lookup(name string) value {
	if v, ok := s.variables[name]; ok {
		return v.effective()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.loose[name]
	if !ok {
		v = s.find(name)
		s.loose[name] = v
	}
	return v
}

// given returns what was given for a variable, also when a reference may not
// have it.
func (s *scope) given(name string) value {
	if v, ok := s.variables[name]; ok {
		return v.value
	}
	return s.lookup(name)
}

// use notes the variables that a text refers to.
func (s *scope) use(text string) {
	parts, _ := splitReferences(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	referencedNames(parts, func(name string) { s.used[name] = true })
}

func (s *scope) isUsed(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used[name]
}

func (s *scope) unsetHint(name string, decl *variable) string {
	if decl != nil {
		return "set it in .env or the environment, or with -var " + name + "=...; `midaz env` writes a .env"
	}
	if near := Suggest(name, s.names()); near != "" {
		return "did you mean \"" + near + "\"? Write $$ for a dollar sign"
	}
	return "declare it under variables:, write ${" + name + ":-default}, or $$ for a dollar sign"
}

// names returns the names of the declared variables, sorted.
func (s *scope) names() []string { return slices.Sorted(maps.Keys(s.variables)) }

// checkVars reports -var names that nothing knows.
func (l *loader) checkVars() {
	scope := l.spec.scope
	if l.spec.Partial {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(scope.vars)) {
		if scope.variables[name] == nil && !scope.isUsed(name) {
			l.report(RuleUnknownVariable.At(Pos{File: "-var"}, fmt.Sprintf("no variable %q is declared or used in the spec", name),
				DidYouMean(name, scope.names())))
		}
	}
}

// Unused returns a warning for each declared variable that neither the spec
// nor a file given to Expand refers to. It is complete once everything the
// spec names has been read.
func (s *Spec) Unused() Problems {
	if s.Partial || s.scope == nil {
		return nil
	}
	var out Problems
	for _, name := range s.scope.names() {
		if !s.scope.isUsed(name) {
			out = append(out, RuleUnused.At(s.scope.variables[name].Pos, "variable "+name+" is declared and nothing uses it",
				"remove it, or write ${"+name+"} where it is meant"))
		}
	}
	return out
}

// Value is what a variable that the spec uses got.
type Value struct {
	Name string
	Text string
	// Set is false for one that has no value, or only its default.
	Set bool
	// Sensitive says that Text must not be kept or shown.
	Sensitive bool
}

// Values returns the variables that are used, by name. It is complete once
// everything the spec names has been read.
func (s *Spec) Values() []Value {
	if s.scope == nil {
		return nil
	}
	s.scope.mu.Lock()
	names := slices.Sorted(maps.Keys(s.scope.used))
	s.scope.mu.Unlock()
	out := make([]Value, 0, len(names))
	for _, name := range names {
		v := Value{Name: name}
		if decl := s.scope.variables[name]; decl != nil {
			v.Text, v.Sensitive = decl.value.text, decl.Sensitive
			v.Set = decl.value.set && decl.value.from != "default"
		} else {
			found := s.scope.lookup(name)
			v.Text, v.Set = found.text, found.set
		}
		out = append(out, v)
	}
	return out
}

// Secrets returns the texts that are known to be secret: values and defaults
// of sensitive variables.
func (s *Spec) Secrets() []string { return slices.Clone(s.secrets) }
