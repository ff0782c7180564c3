package resources

import "github.com/LerianStudio/midaz-infra/specs"

// Report takes one problem. Decoding goes on after it.
type Report func(*specs.Problem)

// Rules of decoding, shared by every kind. Codes MZ020 to MZ039.
var (
	RuleShape = &specs.Rule{Code: "MZ020", Severity: specs.Error, Title: "value of the wrong shape",
		Explain: "The value has another shape than the field takes: a list where a map is expected, a word where a number is. Write it in one of the forms that the message names."}
	RuleValue = &specs.Rule{Code: "MZ021", Severity: specs.Error, Title: "value not allowed",
		Explain: "The value has the right shape but is not one the field can take: out of range, not in the list of choices, or not well formed."}
	RuleUnknownKey = &specs.Rule{Code: "MZ022", Severity: specs.Error, Title: "unknown key",
		Explain: "No field has this name. A key that nobody reads would silently do nothing, so it is an error. Keys beginning with x- are passed over and may hold anchors."}
	RuleUnsupported = &specs.Rule{Code: "MZ023", Severity: specs.Error, Title: "key not supported",
		Explain: "Compose knows this key and midaz does not, or not yet. It is refused rather than ignored, so that a spec never means less than it says."}
	RuleRequired = &specs.Rule{Code: "MZ024", Severity: specs.Error, Title: "required key missing",
		Explain: "The resource cannot exist without this field."}
	RuleLiteralSecret = &specs.Rule{Code: "MZ025", Severity: specs.Warning, Title: "secret written literally", Masked: true,
		Explain: "A password in the spec ends up in version control and in every copy of it. Declare a variable with `sensitive: true`, give it a value in `.env` or the environment, and write `${NAME}` in its place."}
	RuleDuplicateItem = &specs.Rule{Code: "MZ026", Severity: specs.Error, Title: "item written twice",
		Explain: "Two items of a list stand for the same thing: two mounts of one path, two publications of one port. Only one can hold; remove the other."}
)

// Rules returns the rules of this package.
func Rules() []*specs.Rule {
	return []*specs.Rule{RuleShape, RuleValue, RuleUnknownKey, RuleUnsupported, RuleRequired, RuleLiteralSecret, RuleDuplicateItem}
}
