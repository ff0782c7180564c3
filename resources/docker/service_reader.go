package docker

import (
	"context"

	"github.com/LerianStudio/midaz-infra/resources"
)

type containerReader struct {
	e *ReadEngine
	k containerKind
}

func (c containerReader) Observe(ctx context.Context, scope resources.Scope) ([]*resources.Observed, error) {
	return nil, nil
}
