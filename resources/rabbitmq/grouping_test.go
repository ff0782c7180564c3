package rabbitmq

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/LerianStudio/midaz-infra/resources"
)

// TestNamesPattern: a pattern matches its names and no other, and the names can
// be read out of it.
func TestNamesPattern(t *testing.T) {
	name := rapid.StringMatching(`[ab.|+é\\\]\[^$-]{0,6}|orders\.[0-9]{1,4}`)
	rapid.Check(t, func(t *rapid.T) {
		names := union(rapid.SliceOfN(name, 1, 30).Draw(t, "names"), nil)
		pattern := namesPattern(names)
		if got, ok := namesIn(pattern); !ok || !slices.Equal(got, names) {
			t.Fatalf("%q reads as %q, want %q", pattern, got, names)
		}
		other := name.Draw(t, "other")
		if got := regexp.MustCompile(pattern).MatchString(other); got != slices.Contains(names, other) {
			t.Fatalf("%q matches %q: %v", pattern, other, got)
		}
	})
}

// TestNamesPatternIsShort: what names have in common stands in it once.
func TestNamesPatternIsShort(t *testing.T) {
	var names []string
	for i := range 500 {
		names = append(names, fmt.Sprintf("orders.queue.%04d", i))
	}
	if got := namesPattern(names); len(got) > 1000 {
		t.Errorf("500 names make a pattern of %d bytes", len(got))
	}
	if got, want := namesPattern([]string{"a.b", "a.c", "a.cd"}), `^a\.(?:b|cd?)$`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestEveryQueueHasItsLimits at every moment, the old or the new ones, whatever
// layout there was before.
func TestEveryQueueHasItsLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		queue := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"})
		limit := rapid.SampledFrom([]int64{0, 1, 2, 3}) // 0 is none
		old, next := map[string]int64{}, map[string]int64{}
		there := map[string]*grouped{}
		apply := func(changes map[string]int64, check func()) {
			want := map[resources.Addr]*resources.Resource{}
			for q, n := range changes {
				a := generatedAddr(resources.NewAddr(queueName, "v", q))
				want[a] = nil
				if n > 0 {
					want[a] = &resources.Resource{Addr: a, Config: resources.Config{"priority": n % 2, "definition": map[string]any{"max-length": n}}}
				}
			}
			is, wanted := regroup("s", slices.Collect(maps.Values(there)), want)
			for _, w := range transition(is, wanted) {
				if delete(there, w.name); !w.remove {
					there[w.name] = w.grouped
				}
				check()
			}
		}
		// Some singles, as a version before groups has left them.
		for q, n := range rapid.MapOf(queue, limit).Draw(t, "singles") {
			if n > 0 {
				old[q] = n
				there[generatedPrefix+q] = &grouped{generatedPrefix + q, []string{q}, n % 2, map[string]any{"max-length": n}}
			}
		}
		for range 3 {
			changes := rapid.MapOf(queue, limit).Draw(t, "changes")
			next = maps.Clone(old)
			for q, n := range changes {
				if next[q] = n; n == 0 {
					delete(next, q)
				}
			}
			apply(changes, func() {
				for q := range old {
					if next[q] == 0 {
						continue
					}
					for _, n := range limitsNow(there, q) {
						if n != old[q] && n != next[q] {
							t.Fatalf("%s has %d, neither %d nor %d", q, n, old[q], next[q])
						}
					}
					if len(limitsNow(there, q)) == 0 {
						t.Fatalf("%s has no limit for a moment", q)
					}
				}
			})
			for _, q := range []string{"a", "b", "c", "d", "e", "f"} {
				now, want := limitsNow(there, q), []int64(nil)
				if next[q] > 0 {
					want = []int64{next[q]}
				}
				if !slices.Equal(now, want) {
					t.Fatalf("%s has %v in the end, want %v", q, now, want)
				}
			}
			old = next
		}
	})
}

// limitsNow returns the limits of all policies for a queue.
func limitsNow(there map[string]*grouped, queue string) []int64 {
	var out []int64
	for _, g := range there {
		if slices.Contains(g.queues, queue) {
			out = append(out, g.definition["max-length"].(int64))
		}
	}
	return out
}
