package schema

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Version is the version of the format that this package reads.
const Version = "1"

// stackName is a DNS label: the name becomes part of container names, which
// other containers resolve.
var stackName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// composeOnly are top-level keys of Compose files, with what to write instead.
var composeOnly = map[string]string{
	"name":    "write `stack: NAME`",
	"configs": "write the content or the path under `files:` of the service",
	"secrets": "declare a variable with `sensitive: true` and write ${NAME} where the secret is needed, under `files:` of the service for " +
		"a file",
	"include":  "give the files one after the other with -f; they are merged left to right",
	"extends":  "write what is shared under a top-level x-* key with an anchor, and take it over with `<<: *anchor`",
	"models":   "run the model as a service",
	"profiles": "write `profiles:` at each service, and turn them on with --profile",
}

// Top returns what is wrong at the top level of the spec: version, stack, and
// keys that are no section of any kind.
func Top(spec *specs.Spec, kinds []resources.Kind) specs.Problems {
	root := spec.Root
	if root.IsAbsent() {
		return nil
	}
	var out specs.Problems
	report := func(p *specs.Problem) { out = append(out, p) }
	checkVersion(spec, report)
	checkStack(spec, report)
	known := sections(kinds)
	for _, e := range root.Entries() {
		if slices.Contains(known, e.Key) || resources.IsExtension(e.Key) {
			continue
		}
		if instead, ok := composeOnly[e.Key]; ok {
			report(resources.RuleUnsupported.At(e.KeyPos, fmt.Sprintf("top-level key %q of Compose is not supported", e.Key), instead))
			continue
		}
		report(resources.RuleUnknownKey.At(e.KeyPos, fmt.Sprintf("unknown top-level key %q", e.Key), topHint(e.Key, known)))
	}
	return out.Sorted()
}

// sections returns the top-level keys, sorted.
func sections(kinds []resources.Kind) []string {
	known := map[string]bool{"version": true, "stack": true, "variables": true, "moved": true, "drift": true, "policy": true}
	for _, k := range kinds {
		if section := k.Table().Section; section != "" {
			first, _, _ := strings.Cut(section, "/")
			known[first] = true
		}
	}
	return slices.Sorted(maps.Keys(known))
}

func topHint(key string, known []string) string {
	if near := specs.Suggest(key, known); near != "" {
		return "did you mean \"" + near + "\"?"
	}
	return "expected one of " + strings.Join(known, ", ") + ", or a key beginning with x-"
}

func checkVersion(spec *specs.Spec, report resources.Report) {
	e, ok := spec.Root.Entry("version")
	write := "write version: \"" + Version + "\""
	switch {
	case !ok && spec.Partial:
	case !ok:
		report(resources.RuleRequired.At(spec.Root.Pos(), "the spec has no version", write))
	case e.Value.Text() == Version || spec.Unresolved(e.Value.Pos()):
	case !e.Value.IsScalar():
		report(resources.RuleShape.At(e.Value.Pos(), "version is \""+Version+"\", not "+e.Value.Kind().String(), write))
	case strings.HasPrefix(e.Value.Text(), "2") || strings.HasPrefix(e.Value.Text(), "3"):
		report(resources.RuleValue.At(e.Value.Pos(), "this looks like a Compose file",
			write+"; `midaz import compose FILE` writes a spec from a Compose file"))
	default:
		report(resources.RuleValue.At(e.Value.Pos(), "this version of the format is not known", write))
	}
}

func checkStack(spec *specs.Spec, report resources.Report) {
	e, ok := spec.Root.Entry("stack")
	text := e.Value.Text()
	switch {
	case !ok && spec.Partial:
	case !ok:
		report(resources.RuleRequired.At(spec.Root.Pos(), "the spec has no stack: the name that everything it makes is marked with",
			"for example: stack: midaz"))
	case !e.Value.IsScalar():
		report(resources.RuleShape.At(e.Value.Pos(), "stack is a name, not "+e.Value.Kind().String(), "for example: stack: midaz"))
	case e.Value.Sensitive():
		report(resources.RuleSensitiveName.At(e.Value.Pos(), "the name of the stack holds a sensitive value, and names are shown",
			"use a variable that is not sensitive"))
	case stackName.MatchString(text) || spec.Unresolved(e.Value.Pos()):
	default:
		hint := "at most 63 small letters, digits and hyphens, with a letter or digit at both ends"
		if near := nearestName(text); near != "" {
			hint += ": for example " + near
		}
		report(resources.RuleValue.At(e.Value.Pos(), fmt.Sprintf("%q cannot be the name of a stack", text), hint))
	}
}

// nearestName makes a stack name of a text, "" when that gives none.
func nearestName(text string) string {
	near := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(text), "-")
	near = strings.Trim(near, "-")
	if !stackName.MatchString(near) {
		return ""
	}
	return near
}
