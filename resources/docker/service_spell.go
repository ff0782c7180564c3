package docker

import (
	"errors"
	"slices"
	"strconv"

	"github.com/LerianStudio/midaz-infra/resources"
)

var (
	errMovedTag = errors.New("the container runs what the name stood for before: give that image a name of its own (`docker tag`) and " +
		"write it, or apply to run the new one")
	errStateIs = errors.New("a running state is not written in the spec: apply starts it")
	errSource  = errors.New("the content stands in the file that `source` names, and only people should change that: copy it out with " +
		"`docker cp`")
	errWithout = errors.New("a service without `networks` joins the network `default`: write `network_mode: none`, or the networks it " +
		"shall join")
	errPlaced   = errors.New("the file is gone from the container: remove its entry if that is meant")
	errOnceMade = errors.New("a container cannot be changed in this field: someone made it anew, and apply does so again")
)

// Spell tells how what was observed of a container is written.
func (k containerKind) Spell(want *resources.Resource, have *resources.Observed, d resources.Diff,
	all *resources.Declared) ([]resources.Written, bool, error) {
	switch d.Field {
	case "state":
		return nil, true, errStateIs
	case "image":
		return nil, true, errMovedTag
	case "networks":
		written, err := spellNetwork(want, have, d, all)
		return written, true, err
	case "files":
		written, err := spellFile(want, have, d)
		return written, true, err
	}
	for _, limit := range deployed {
		path := []string{"deploy", "resources", limit.group, limit.key}
		if _, own := want.Node.Entry(d.Field); limit.field == d.Field && !own &&
			!want.Node.Get("deploy").Get("resources").Get(limit.group).Get(limit.key).IsAbsent() {
			return []resources.Written{{Path: path, Value: have.Have[d.Field]}}, true, nil
		}
	}
	return nil, false, nil
}

// spellNetwork writes one network of a container as it is attached to it. One
// that the spec does not know is declared as someone else's.
func spellNetwork(want *resources.Resource, have *resources.Observed, d resources.Diff, all *resources.Declared) ([]resources.Written,
	error) {
	parts := resources.SplitPath(d.Path)
	if len(parts) < 2 {
		return nil, errOnceMade
	}
	key := parts[1].Key
	e, attached := mapOf(have.Have["networks"])[key]
	declares := want.Node.Given("networks")
	if !attached {
		if !declares || len(mapOf(want.Config["networks"])) == 1 {
			return nil, errWithout
		}
		return []resources.Written{{Path: []string{"networks", key}}}, nil
	}
	settings := cloneMap(mapOf(e))
	name := resources.Text(settings["name"])
	delete(settings, "name")
	delete(settings, "stale")
	own := want.Addr.Parts()[0]
	settings["aliases"] = setOf(slices.DeleteFunc(resources.Texts(settings["aliases"]), func(a string) bool { return a == own }))
	if settings = compact(settings); settings == nil {
		settings = map[string]any{}
	}
	out := []resources.Written{{Path: []string{"networks", key}, Value: settings}}
	if !declares {
		out[0] = resources.Written{Path: []string{"networks"}, Value: map[string]any{defaultNetwork: map[string]any{}, key: settings}}
	}
	if all.Get(resources.NewAddr("network", key)) == nil {
		declared := resources.Written{Root: true, Path: []string{"networks", key}, Value: map[string]any{"name": name, "external": true}}
		out = append([]resources.Written{declared}, out...)
	}
	return out, nil
}

// spellFile writes the part of a file that differs.
func spellFile(want *resources.Resource, have *resources.Observed, d resources.Diff) ([]resources.Written, error) {
	parts := resources.SplitPath(d.Path)
	if len(parts) < 2 {
		return nil, errOnceMade
	}
	target := parts[1].Key
	file, there := mapOf(have.Have["files"])[target].(map[string]any)
	if !there || len(parts) < 3 {
		return nil, errPlaced
	}
	part := parts[2].Key
	for i, item := range want.Node.Get("files").Items() {
		if to, err := fileTarget(item.Get("target").Text()); err != nil || to != target {
			continue
		}
		if _, inline := item.Entry("content"); part == "content" && !inline {
			return nil, errSource
		}
		return []resources.Written{{Path: []string{"files", strconv.Itoa(i), part}, Value: file[part]}}, nil
	}
	return nil, errSource
}
