package docker

import (
	"regexp"

	"github.com/LerianStudio/midaz-infra/resources"
)

// Labels that mark an object on the engine as ours. The engine lets no one
// change the labels of an object that exists.
const (
	labelStack    = "midaz.stack"    // the stack that owns it
	labelAddress  = "midaz.address"  // its address, "service/postgres"
	labelSpec     = "midaz.spec"     // resources.Sealed: the declared fields as last applied
	labelProtect  = "midaz.protect"  // "true" when it must not be deleted
	labelEngine   = "midaz.engine"   // engine and API version that made it, "20.10.24/1.41"
	labelGen      = "midaz.gen"      // containers: counts replacements
	labelReplaces = "midaz.replaces" // containers: ID of the one it replaces
	labelMade     = "midaz.made"     // containers: a random text that only this one has
	labelPrefix   = "midaz."
)

// ownLabels returns the labels that mark an object of the resource. declared
// are the fields to remember.
func ownLabels(r *resources.Resource, declared resources.Config) map[string]string {
	labels := map[string]string{
		labelStack:   r.Stack,
		labelAddress: r.Addr.String(),
		labelSpec:    r.Seal(declared).String(),
	}
	if r.Protect {
		labels[labelProtect] = "true"
	}
	return labels
}

// secretName matches names of variables whose values may be passwords: values
// found under them are never shown.
var secretName = regexp.MustCompile(`(?i)pass(word)?|secret|token|key$`)

// passwordName matches names whose values surely are passwords by the name.
var passwordName = regexp.MustCompile(`(?i)(pass(word|wd|phrase)?|secret|token|(api|access|private|encryption|master|secret)_?key)$`)
