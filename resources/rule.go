package resources

import "github.com/LerianStudio/midaz-infra/specs"

// Report takes one problem. Decoding goes on after it.
type Report func(*specs.Problem)

// Rules of decoding, shared by every kind. Codes MZ020 to MZ039.
var (
	RuleShape = &specs.Rule{Code: "MZ020", Severity: specs.Error, Title: "value of the wrong shape",
		Explain: "The value has another shape than the field takes: a list where a map is expected, a word where a number is. Write it in one " +
			"of the forms that the message names."}
	RuleValue = &specs.Rule{Code: "MZ021", Severity: specs.Error, Title: "value not allowed",
		Explain: "The value has the right shape but is not one the field can take: out of range, not in the list of choices, or not well formed."}
	RuleUnknownKey = &specs.Rule{Code: "MZ022", Severity: specs.Error, Title: "unknown key",
		Explain: "No field has this name. An unknown key would silently have no effect, so it is an error. Keys beginning with x- are " +
			"passed over and may hold anchors."}
	RuleUnsupported = &specs.Rule{Code: "MZ023", Severity: specs.Error, Title: "key not supported",
		Explain: "Compose knows this key and midaz does not, or not yet. It is refused rather than ignored, so that a spec never means less " +
			"than it says."}
	RuleRequired = &specs.Rule{Code: "MZ024", Severity: specs.Error, Title: "required key missing",
		Explain: "The resource cannot exist without this field."}
	RuleLiteralSecret = &specs.Rule{Code: "MZ025", Severity: specs.Warning, Title: "secret written literally", Masked: true,
		Explain: "A password in the spec ends up in version control and in every copy of it. Declare a variable with `sensitive: true`, give " +
			"it a value in `.env` or the environment, and write `${NAME}` in its place."}
	RuleDuplicateItem = &specs.Rule{Code: "MZ026", Severity: specs.Error, Title: "item written twice",
		Explain: "Two items of a list stand for the same thing: two mounts of one path, two publications of one port. Only one can hold; " +
			"remove the other."}
	RuleSensitiveName = &specs.Rule{Code: "MZ027", Severity: specs.Error, Title: "sensitive value in a name",
		Explain: "The name of a container, an image, a network, a volume, or anything else stands in every list, label, plan, log line, and " +
			"command that speaks of it, also in those of other programs. A sensitive value in a name would be shown by all of them. Use a " +
			"variable that is not sensitive, or write the name out."}
	RuleSensitiveShown = &specs.Rule{Code: "MZ028", Severity: specs.Warning, Title: "sensitive value that cannot be masked everywhere",
		Explain: "The values of sensitive variables are masked wherever they stand in what midaz writes: in the fields that hold them, and " +
			"inside texts such as log lines and error messages. Two kinds of values are masked only in their fields: those of fewer than six " +
			"bytes, which are a part of too many other words, and those that are also a name in the spec, such as that of a service or user, " +
			"because masking the name everywhere would make the output useless.\n\n**What to do.** Use a longer value that is not a name. `midaz " +
			"env` writes random ones. A number or a word of a fixed choice is shown as it is: do not use a sensitive variable there."}
)

// Rules returns the rules of this package.
func Rules() []*specs.Rule {
	return []*specs.Rule{RuleShape, RuleValue, RuleUnknownKey, RuleUnsupported, RuleRequired, RuleLiteralSecret, RuleDuplicateItem,
		RuleSensitiveName, RuleSensitiveShown}
}
