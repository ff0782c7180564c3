// Package engine decides, then does.
//
// The pipeline is five values, each made from earlier ones:
//
//	declared := Resolve(spec, kinds)                    // what the spec says
//	seen     := Observe(ctx, readers, declared, scope)  // what the world has
//	plan     := MakePlan(declared, seen, options)       // what differs, in order
//	report   := Apply(ctx, plan, world, options)        // what was done
//
// Principles, to be quoted in reviews:
//
//  1. Everything decided is in the plan; Apply only carries it out.
//  2. A function without a context does no I/O.
//  3. A plan is a ceiling. A step looks at its object again before touching it;
//     it may find less to do, never more: then the plan is stale and says so.
//  4. Completion is not success: a step has an outcome, and dependents wait for
//     Done.
//  5. A failure costs what depends on it, nothing else. Every step ends with
//     exactly one outcome, also when interrupted.
//  6. A gate is a step, visible in the plan, with its own timeout, holding no
//     worker.
//  7. Nothing is touched that is not marked as ours.
//  8. Destroy is the plan of an empty spec: one code path.
//  9. Equal input, equal plan: no clock, no randomness, no map order in
//     anything shown.
//  10. A secret has one exit, and it is called Reveal.
//
// The package knows no backend. It prints nothing and logs nothing: what
// happens leaves it through one callback, in order.
package engine
