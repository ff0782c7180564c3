package engine

import (
	"context"

	"github.com/LerianStudio/midaz-infra/resources"
)

// Seen is what observation found, by address.
type Seen struct {
	byAddr map[resources.Addr]*resources.Observed
}

// Observe asks all readers at the same time. A reader that is not reachable
// makes its resources Unknown; any other error ends the observation.
func Observe(ctx context.Context, readers map[string]resources.Reader, declared *resources.Declared, scope resources.Scope) (*Seen, error) {
	return nil, nil
}
