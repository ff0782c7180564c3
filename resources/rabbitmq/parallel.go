package rabbitmq

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// inParallel calls do for each, eight at a time, and returns the first error.
func inParallel[T any](ctx context.Context, all []T, do func(context.Context, T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, x := range all {
		g.Go(func() error { return do(ctx, x) })
	}
	return g.Wait()
}
