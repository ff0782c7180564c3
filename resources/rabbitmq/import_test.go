package rabbitmq_test

import (
	"slices"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
)

// TestImportNamesWhatANoteIsAbout: by the name of the kind, not by that of its
// section without the last letter.
func TestImportNamesWhatANoteIsAbout(t *testing.T) {
	got, err := rabbitmq.Import([]byte(`{"vhosts":[{"name":"v"}],"policies":[{"vhost":"v","name":"p","pattern":"^a","definition":{"max-length":1},"odd":1}],
		"parameters":[{"component":"operator_policy","vhost":"v","name":"o","value":{"pattern":"^a","definition":{"max-length":1},"odd":1}}]}`), definitions.Options{Stack: "s"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"policy p: the policy: odd is not carried", "operator policy o: the operator policy: odd is not carried"} {
		if !slices.Contains(got.Notes, want) {
			t.Errorf("%q is not among %q", want, got.Notes)
		}
	}
}
