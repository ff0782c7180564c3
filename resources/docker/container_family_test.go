package docker

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// familyOf reads "NAME STATE [LABEL...]" lines. The generation is that of the
// name unless g=N says otherwise; r=NAME is the container that this one replaced.
func familyOf(lines []string) []candidate {
	id := func(name string) string { return idOf(name) }
	var out []candidate
	for i, line := range lines {
		words := strings.Fields(line)
		_, _, gen := splitSwapName(words[0])
		c := candidate{id: id(words[0]), name: words[0], state: words[1], created: int64(i),
			labels: map[string]string{labelGen: strconv.Itoa(max(gen, 1))}}
		for _, w := range words[2:] {
			switch key, value, _ := strings.Cut(w, "="); key {
			case "g":
				c.labels[labelGen] = value
			case "r":
				c.labels[labelReplaces] = id(value)
			}
		}
		out = append(out, c)
	}
	return out
}

// Whatever is applied next, the container that is the service is the one that
// works or last worked; what never ran is not it.
func TestPickContainer(t *testing.T) {
	for _, c := range []struct {
		name   string
		family []string
		want   string // "" for none
		// obsolete are those of the rest that nothing goes back to.
		obsolete []string
	}{
		{"none", nil, "", nil},
		{"one", []string{"w running"}, "w", nil},
		{"created and not yet started", []string{"w created"}, "w", nil},
		{"renamed by someone", []string{"x running"}, "x", nil},
		{"two plain ones", []string{"x running g=1", "y exited g=2"}, "y", []string{"x"}},
		{"two plain ones of one generation", []string{"x running", "y running"}, "y", []string{"x"}},

		{"stop first: replacement created", []string{"w running", "w.new-2 created r=w"}, "w", []string{"w.new-2"}},
		{"stop first: old one stopped", []string{"w exited", "w.new-2 created r=w"}, "w", []string{"w.new-2"}},
		{"stop first: old one renamed", []string{"w.old-2 exited", "w.new-2 created r=w.old-2"}, "w.old-2", []string{"w.new-2"}},
		{"stop first: replacement renamed", []string{"w.old-2 exited", "w created g=2 r=w.old-2"}, "w.old-2", []string{"w"}},
		{"stop first: engine restarted then", []string{"w.old-2 running", "w created g=2 r=w.old-2"}, "w.old-2", []string{"w"}},
		{"stop first: replacement started", []string{"w.old-2 exited", "w running g=2 r=w.old-2"}, "w", nil},
		{"stop first: replacement crashed", []string{"w.old-2 exited", "w exited g=2 r=w.old-2"}, "w", nil},
		{"stop first: old one removed", []string{"w created g=2 r=gone"}, "w", nil},

		{"start first: replacement created", []string{"w running", "w.new-2 created r=w"}, "w", []string{"w.new-2"}},
		{"start first: replacement started", []string{"w running", "w.new-2 running r=w"}, "w", []string{"w.new-2"}},
		{"start first: replacement crash-loops", []string{"w running", "w.new-2 restarting r=w"}, "w", []string{"w.new-2"}},
		{"start first: old one renamed", []string{"w.old-2 running", "w.new-2 running r=w.old-2"}, "w.old-2", []string{"w.new-2"}},
		{"start first: old one renamed, then it died", []string{"w.old-2 exited", "w.new-2 running r=w.old-2"}, "w.new-2", nil},
		{"start first: replacement renamed", []string{"w.old-2 running", "w running g=2 r=w.old-2"}, "w", []string{"w.old-2"}},
		{"start first: old one stopped", []string{"w.old-2 exited", "w running g=2 r=w.old-2"}, "w", nil},
		{"only the replacement is left", []string{"w.new-2 created r=gone"}, "w.new-2", nil},

		{"rolled back", []string{"w running", "w.bad-2 exited r=w"}, "w", []string{"w.bad-2"}},
		{"in the middle of going back", []string{"w.old-2 exited", "w.bad-2 exited r=w.old-2"}, "w.old-2", []string{"w.bad-2"}},
		{"only a rejected one", []string{"w.bad-2 exited"}, "", nil},
		{"a rejected one is no predecessor", []string{"w.bad-2 exited", "w created g=3 r=w.bad-2"}, "w", []string{"w.bad-2"}},

		{"replaced twice, never proven", []string{"w.old-2 exited", "w.old-3 exited r=w.old-2", "w running g=3 r=w.old-3"}, "w", nil},
		{"replaced twice, the last never started", []string{"w.old-2 exited", "w.old-3 exited r=w.old-2", "w created g=3 r=w.old-3"}, "w.old-3",
			[]string{"w"}},
		{"the final name has changed too", []string{"v running", "w.new-2 created r=v"}, "v", []string{"w.new-2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			family := familyOf(c.family)
			for range 5 {
				rand.Shuffle(len(family), func(i, j int) { family[i], family[j] = family[j], family[i] })
				main, rest := pickContainer(family, "w")
				got := ""
				if main != nil {
					got = main.name
				}
				if got != c.want {
					t.Fatalf("took %q, want %q", got, c.want)
				}
				if main == nil {
					continue
				}
				if len(rest) != len(family)-1 {
					t.Errorf("%d of %d are left over", len(rest), len(family))
				}
				var obsolete []string
				for _, other := range rest {
					if other.isObsolete() {
						obsolete = append(obsolete, other.name)
					}
				}
				if slices.Sort(obsolete); !slices.Equal(obsolete, c.obsolete) {
					t.Errorf("obsolete: %v, want %v", obsolete, c.obsolete)
				}
			}
		})
	}
}
