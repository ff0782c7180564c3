package docker

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/LerianStudio/midaz-infra/resources"
)

// candidate is a container that may be the object of an address.
type candidate struct {
	id, name string
	labels   map[string]string
	state    string // as in a list of containers: "running", "created", ...
	created  int64
}

func candidateOf(s *container.Summary) candidate {
	return candidate{id: s.ID, name: nameOfSummary(*s), labels: s.Labels, state: s.State, created: s.Created}
}

// role returns the part that the container has in a replacement: "new", "old",
// "bad", or "" for one with a plain name.
func (c candidate) role() string {
	_, role, _ := splitSwapName(c.name)
	return role
}

// isUp reports whether it has a process, now or soon again.
func (c candidate) isUp() bool {
	return slices.Contains([]string{container.StateRunning, container.StateRestarting, container.StatePaused}, c.state)
}

// swapName matches the names that containers have while one replaces another.
var swapName = regexp.MustCompile(`^(.+)\.(new|old|bad)-([0-9]+)$`)

// splitSwapName returns the final name of a container, its role in a
// replacement ("" when it has none) and the generation.
func splitSwapName(name string) (final, role string, gen int) {
	m := swapName.FindStringSubmatch(name)
	if m == nil {
		return name, "", 0
	}
	gen, _ = strconv.Atoi(m[3])
	return m[1], m[2], gen
}

// genOf returns the generation of a container, 0 when it has none.
func genOf(labels map[string]string) int {
	n, _ := strconv.Atoi(labels[labelGen])
	return n
}

// standing says how good a container's claim is to be the object of its address.
type standing int

const (
	isFinal    standing = iota // it has the final name
	isPlain                    // it has another plain name
	isOldUp                    // set aside, and running: a commit was interrupted
	isNewUp                    // the replacement runs, and the old one does not
	isOld                      // set aside, and stopped: it is what last worked
	isNew                      // a replacement whose predecessor is gone
	isUnproven                 // a replacement that never ran, while its predecessor exists
	isRejected                 // a replacement that failed
)

// standingOf tells the standing of a container among all of its address. A
// replacement that was never started is not the service while the container that
// it replaces exists, whatever its name is by now: which spec comes next is not
// known, and only the other one has ever worked.
func standingOf(c candidate, all []candidate, final string) standing {
	replaced := c.labels[labelReplaces]
	predecessor := replaced != "" && slices.ContainsFunc(all, func(o candidate) bool {
		return o.id == replaced && o.id != c.id &&
			o.role() != "bad"
	})
	switch role := c.role(); {
	case role == "bad":
		return isRejected
	case predecessor && c.state == container.StateCreated:
		return isUnproven
	case final != "" && c.name == final:
		return isFinal
	case role == "":
		return isPlain
	case role == "old" && c.isUp():
		return isOldUp
	case role == "new" && c.isUp():
		return isNewUp
	case role == "old":
		return isOld
	default:
		return isNew
	}
}

// pickContainer tells which of several containers of one address is the object:
// the one of the best standing, then of the highest generation, then the
// youngest. A rejected one never is. The rest is left over. Observation, gates,
// and recovery all decide by it, so that they speak of the same container.
func pickContainer(all []candidate, final string) (*candidate, []candidate) {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b candidate) int {
		return cmp.Or(
			cmp.Compare(standingOf(a, all, final), standingOf(b, all, final)),
			cmp.Compare(genOf(b.labels), genOf(a.labels)),
			cmp.Compare(b.created, a.created),
			strings.Compare(a.id, b.id))
	})
	if len(sorted) == 0 || standingOf(sorted[0], all, final) == isRejected {
		return nil, sorted
	}
	return &sorted[0], sorted[1:]
}

// isObsolete reports of a leftover that nothing ever goes back to it. Only one that
// was set aside and stopped is kept until what has its place is ready: one that
// still runs was about to be removed by a commit, after the gate of the new one.
func (c candidate) isObsolete() bool { return c.role() != "old" || c.isUp() }

// markLeftover makes what was seen of a container a leftover of its address.
func (c candidate) markLeftover(o *resources.Observed) {
	o.LeftoverOf, o.Addr = o.Addr, resources.Addr{Kind: o.Addr.Kind, Name: o.Addr.Name + "~" + shortID(c.id)}
	o.Obsolete = c.isObsolete()
	switch c.role() {
	case "new":
		o.Leftover = "a replacement that was not put in place"
	case "old":
		o.Leftover = "the container before its replacement"
	case "bad":
		o.Leftover = "a replacement that failed"
	default:
		o.Leftover = "a second container of the same address"
		if c.labels[labelReplaces] != "" && c.state == container.StateCreated {
			o.Leftover = "a replacement that was never started"
		}
	}
}

// family returns all containers of an address, and of the one that it was moved
// from.
func (w containerWriter) family(ctx context.Context, r *resources.Resource) ([]candidate, error) {
	lctx, cancel := lasting(ctx, readTimeout)
	defer cancel()
	match := filters.NewArgs(filters.Arg("label", labelStack+"="+r.Stack))
	if r.Moved.IsZero() {
		match.Add("label", labelAddress+"="+r.Addr.String())
	}
	all, err := w.e.api.ContainerList(lctx, container.ListOptions{All: true, Filters: match})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var out []candidate
	for i := range all {
		if s := &all[i]; s.Labels[labelStack] == r.Stack && isAt(s.Labels, r) && len(s.Names) > 0 {
			out = append(out, candidateOf(s))
		}
	}
	slices.SortFunc(out, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(genOf(b.labels), genOf(a.labels)), strings.Compare(a.id, b.id))
	})
	return out, nil
}
