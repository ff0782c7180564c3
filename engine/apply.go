package engine

import "context"

// Apply carries out the plan. It returns a report in any case, and an error
// that wraps ErrRefused when the plan has refusals: then nothing was done.
// Failures of steps are in the report, not in the error.
func Apply(ctx context.Context, plan *Plan, world World, opt ApplyOptions) (*Report, error) {
	return nil, nil
}
