package rabbitmq

import (
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
)

// Import reads definitions, RabbitMQ's own format, and writes the spec. An error
// says what is wrong with the file: LINE:COLUMN: reason, where that can be told.
func Import(data []byte, o definitions.Options) (*definitions.Result, error) {
	var kinds []definitions.Kind
	for _, t := range topologies {
		k, ok := t.(imported)
		if !ok {
			continue
		}
		of := k.imports()
		of.Section, of.Noun = t.Table().Section, strings.ReplaceAll(t.Table().Kind, "-", " ")
		kinds = append(kinds, of)
	}
	// In the order in which the reference shows the sections.
	shown := slices.Concat(brokerTable.Nested, vhostTable.Nested)
	slices.SortStableFunc(kinds, func(a, b definitions.Kind) int {
		return slices.Index(shown, keyOf(a.Section)) - slices.Index(shown, keyOf(b.Section))
	})
	return definitions.Spec(data, kinds, o)
}
