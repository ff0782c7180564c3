package docker

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
)

var _ = register(volumeKind{})

// volumeKind is a named volume. The engine changes nothing on one that exists,
// and to make it anew loses what is in it.
type volumeKind struct{}

var volumeTable = resources.Table{
	Kind: "volume", Section: "volumes/*", NullOK: true, Names: dockerNames,
	Example: "{postgres-data: {protect: true}}",
	Doc:     "A named volume: data that outlives containers.",
	Fields: []resources.Field{
		// Engines refuse names of one letter.
		{Key: "name", Name: true, Type: resources.Pattern("a volume name (at least two letters, digits, `_`, `.`, `-`)",
			`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`), Cost: resources.Remake,
			Doc: "Its name on the engine; STACK_KEY when not given.", Example: "midaz_postgres", Other: "midaz_postgres2"},
		{Key: "driver", Type: resources.Pattern("the name of a volume driver", `^[a-zA-Z0-9][a-zA-Z0-9_.:/-]*$`), Default: "local",
			Cost: resources.Remake,
			Doc:  "The driver that keeps the data.", Example: "local", Other: "vieux/sshfs"},
		{Key: "driver_opts", Type: resources.Pairs(), Cost: resources.Remake,
			Doc: "Options of the driver, such as `type`, `o` and `device` of local.", Example: "{type: tmpfs, device: tmpfs, o: size=16m}",
			Other: "{type: tmpfs, device: tmpfs, o: size=32m}"},
		{Key: "labels", Type: resources.Labels(), Cost: resources.Remake,
			Doc: "Labels of the volume. Those that begin with `midaz.` are midaz's own.", Example: "{team: ledger}", Other: "{team: payments}"},
		{Key: "external", Type: resources.Bool(), Default: false, Unseen: true, Unmarked: true,
			Doc: "It is someone else's: referred to and checked, never created, changed or removed.", Example: "true", Other: "false"},
		{Key: "protect", Type: resources.Bool(), Default: true, Unseen: true, Unmarked: true,
			Doc: "Refuses to remove it, also after it is gone from the spec. The mark is written when the volume is made.", Example: "false",
			Other: "true"},
	},
}

// Table returns the fields of a volume.
func (volumeKind) Table() *resources.Table { return &volumeTable }

// Refs returns none: a volume needs nothing.
func (volumeKind) Refs(*resources.Resource) []resources.Ref { return nil }

// Finish fills in the name on the engine.
func (volumeKind) Finish(r *resources.Resource, _ *resources.Declared, _ resources.Report) {
	finishNamed(r, true)
}

// Movable: a moved volume stays what it is, under the name it has.
func (volumeKind) Movable() {}

// Releases: what the labels say is overruled by the record; see recorder.relinquish.
func (volumeKind) Releases() {}

// NameOf returns the name on the engine, and whether the spec has written it.
func (volumeKind) NameOf(r *resources.Resource) (string, bool) {
	return nameOnEngine(r), r.Node.Given("name")
}

// Check finds names that two volumes would share.
func (volumeKind) Check(all *resources.Declared, report resources.Report) {
	checkNames(all.Of("volume"), report)
}

// Compare adds the owner.
func (volumeKind) Compare(want *resources.Resource, have *resources.Observed) resources.Delta {
	delta := volumeTable.Compare(volumeTable.Marked(want.Config), have.Have, have.Applied)
	for i := range delta {
		if delta[i].Field == "name" {
			delta[i].Why = fmt.Sprintf("a volume cannot be renamed; to keep this one and its data, write `name: %s`", have.ID)
		}
	}
	return append(ownerDiff(want, have), delta...)
}

// Hazards tells that data is lost.
func (volumeKind) Hazards(a resources.Action, _ *resources.Resource, have *resources.Observed) []resources.Hazard {
	if have == nil || a != resources.Delete && a != resources.Replace {
		return nil
	}
	return []resources.Hazard{{Code: resources.DataLoss, Msg: fmt.Sprintf("everything in volume %s is lost", have.ID)}}
}

// Follows: it is made when something that is on uses it.
func (volumeKind) Follows() {}

func (volumeKind) reader(e *ReadEngine) resources.Reader { return volumeReader{e} }
func (volumeKind) writer(e *Engine) resources.Writer     { return volumeWriter{e} }

// volumeReader lists all volumes in one call.
type volumeReader struct{ e *ReadEngine }

func (k volumeReader) Observe(ctx context.Context, scope resources.Scope) ([]*resources.Observed, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	list, err := k.e.api.VolumeList(ctx, volume.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	all := slices.DeleteFunc(list.Volumes, func(v *volume.Volume) bool {
		return v == nil || v.Labels[labelRecord] != ""
	})
	slices.SortFunc(all, func(a, b *volume.Volume) int { return strings.Compare(a.Name, b.Name) })
	var out []*resources.Observed
	taken := map[string]bool{}
	for _, r := range scope.Want {
		v := pickVolume(all, r)
		if v == nil {
			out = append(out, &resources.Observed{Addr: r.Addr})
			continue
		}
		taken[v.Name] = true
		out = append(out, observeVolume(v, r.Addr, r.Config))
	}
	if !scope.Owned {
		return out, nil
	}
	if err := k.e.markRecorded(ctx, scope, out); err != nil {
		return nil, err
	}
	for _, v := range all {
		if taken[v.Name] || v.Labels[labelStack] != scope.Stack {
			continue
		}
		addr, err := resources.ParseAddr(v.Labels[labelAddress])
		if err != nil || addr.Kind != "volume" {
			continue
		}
		o := observeVolume(v, addr, nil)
		if slices.ContainsFunc(out, func(other *resources.Observed) bool { return other.Addr == addr }) {
			// Its block got another name once: it is another volume now, with data.
			o.Addr.Name += "~" + resources.EncodePart(v.Name)
		}
		out = append(out, o)
	}
	return out, nil
}

// pickVolume returns the volume that is the resource: the one of that name,
// else ours by address, else ours by the address it was moved from.
func pickVolume(all []*volume.Volume, r *resources.Resource) *volume.Volume {
	var ours, moved *volume.Volume
	for _, v := range all {
		if v.Name == r.Config.Text("name") {
			return v
		}
		if r.External || v.Labels[labelStack] != r.Stack || !isAt(v.Labels, r) {
			continue
		}
		if isOurs(v.Labels, r) {
			ours = cmp.Or(ours, v)
		} else {
			moved = cmp.Or(moved, v)
		}
	}
	return cmp.Or(ours, moved)
}

func observeVolume(v *volume.Volume, addr resources.Addr, want resources.Config) *resources.Observed {
	o := &resources.Observed{Addr: addr, Presence: resources.Present, ID: v.Name, Protected: v.Labels[labelProtect] == "true", Native: v}
	o.Applied = appliedOf(v.Labels)
	o.Stack, o.Owner = ownerOf(v.Labels)
	o.Have = resources.Config{"name": v.Name, "driver": v.Driver, "driver_opts": mapOfTexts(v.Options),
		"labels": foreignLabels(v.Labels, want["labels"], o.Applied.Shape("labels"))}
	maps.DeleteFunc(o.Have, func(_ string, x any) bool { return x == nil })
	return o
}

// volumeWriter makes and removes volumes.
type volumeWriter struct{ e *Engine }

// Create makes the volume. The engine answers with an old volume of that name
// as if it had made it (moby#16068), so the answer is compared.
func (k volumeWriter) Create(ctx context.Context, r *resources.Resource, _ resources.Note) error {
	name, driver := r.Config.Text("name"), r.Config.Text("driver")
	if driver == "" {
		driver = "local"
	}
	labels := textMap(r.Config["labels"])
	maps.Copy(labels, ownLabels(r, volumeTable.Marked(r.Config)))
	ctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	made, err := k.e.api.VolumeCreate(ctx, volume.CreateOptions{Name: name, Driver: driver, DriverOpts: textMap(r.Config["driver_opts"]),
		Labels: labels})
	if err != nil {
		wrapped := fmt.Errorf("create volume %s: %w", name, err)
		if strings.Contains(err.Error(), "plugin") && strings.Contains(err.Error(), "not found") {
			return &resources.Diagnosis{Err: wrapped, Hint: "correct the volume's `driver`, or install the plugin"}
		}
		return wrapped
	}
	if !isOurs(made.Labels, r) {
		return &resources.Diagnosis{Err: fmt.Errorf("create volume %s: a volume of that name was made meanwhile; it belongs to %s", name,
			ownerText(made.Labels)),
			Hint: "plan again; to use that volume as it is, declare it `external: true`"}
	}
	return resources.NotApplied(r.Addr, volumeKind{}.Compare(r, observeVolume(&made, r.Addr, r.Config)))
}

// Update takes over a volume of someone else's. No field of a volume changes in
// place.
func (k volumeWriter) Update(ctx context.Context, r *resources.Resource, have *resources.Observed, d resources.Delta,
	_ resources.Note) error {
	if d.Has("owner") {
		return k.e.recorder.take(ctx, r, have)
	}
	return nil
}

func (k volumeWriter) Delete(ctx context.Context, have *resources.Observed, _ resources.Note) error {
	ctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	now, err := k.e.api.VolumeInspect(ctx, have.ID)
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("inspect volume %s: %w", have.ID, err)
	}
	// A name is all there is to tell volumes apart, but for the random key of
	// what was remembered and when it was made.
	if seen, ok := have.Native.(*volume.Volume); ok && !sameVolume(seen, &now) {
		return fmt.Errorf("remove volume %s: %w", have.ID, resources.ErrMoved)
	}
	err = k.e.api.VolumeRemove(ctx, have.ID, false)
	switch {
	case err == nil:
		if _, err := k.e.api.VolumeInspect(ctx, have.ID); !cerrdefs.IsNotFound(err) {
			return notRemoved("volume "+have.ID, err)
		}
		return nil
	case cerrdefs.IsNotFound(err):
		return nil
	case cerrdefs.IsConflict(err):
		return k.inUse(ctx, have.ID, err)
	default:
		return fmt.Errorf("remove volume %s: %w", have.ID, err)
	}
}

// sameVolume compares what does not change while a volume lives.
func sameVolume(a, b *volume.Volume) bool {
	return a.Driver == b.Driver && a.Mountpoint == b.Mountpoint && maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Options, b.Options)
}

// inUse names the containers that still refer to a volume.
func (k volumeWriter) inUse(ctx context.Context, name string, cause error) error {
	list, err := k.e.api.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("volume", name))})
	if err != nil || len(list) == 0 {
		return resources.Transient(fmt.Errorf("remove volume %s: %w", name, cause))
	}
	var names []string
	for _, c := range list {
		names = append(names, nameOfSummary(c))
	}
	slices.Sort(names)
	return &resources.Diagnosis{Err: fmt.Errorf("remove volume %s: containers refer to it: %s", name, strings.Join(names, ", ")),
		Hint: fmt.Sprintf("remove them first: `docker rm %s`", names[0])}
}

// nameOfSummary returns a listed container's name.
func nameOfSummary(c container.Summary) string {
	for _, n := range c.Names {
		if !strings.Contains(strings.TrimPrefix(n, "/"), "/") { // others are links
			return strings.TrimPrefix(n, "/")
		}
	}
	return shortID(c.ID)
}
