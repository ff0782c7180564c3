package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// A stack's journal is volumes that hold nothing and whose labels tell of the
// runs: midaz-journal-STACK-RUN from before the first write of a run, replaced
// by midaz-journal-STACK-RUN-end when it ends, since labels cannot change, and
// midaz-journal-STACK-RUN-spec with what the run was made from. Runs that were
// made from the same share the last.
const (
	labelRuns    = "midaz.runs"     // the stack; on each volume of its journal
	labelRunPart = "midaz.runs.is"  // begin, end or spec
	labelRunID   = "midaz.runs.id"  // the run that wrote it
	labelRunText = "midaz.runs.txt" // Run.Encode or Past.Encode

	runBegin, runEnd, runSpec = "begin", "end", "spec"
)

func runVolume(stack, id, part string) string {
	name := "midaz-journal-" + stack + "-" + id
	if part != runBegin {
		name += "-" + part
	}
	return name
}

// Runs returns what the journal holds of a stack's runs, latest first. One
// without an end has the result resources.RunRunning while somebody holds the
// stack's lock, else resources.RunLost. Entries that cannot be read are passed
// over.
func (e *ReadEngine) Runs(ctx context.Context, stack string) ([]*resources.Run, error) {
	runs, err := e.writtenRuns(ctx, stack)
	isRunning := func(r *resources.Run) bool { return r.Result == resources.RunRunning }
	if err != nil || !slices.ContainsFunc(runs, isRunning) {
		return runs, err
	}
	// In doubt somebody is at work.
	if holder, err := e.Holder(ctx, stack); err != nil || holder != nil && !holder.Holder.Gone {
		return runs, nil
	}
	for _, r := range runs {
		if isRunning(r) {
			r.Result = resources.RunLost
		}
	}
	return runs, nil
}

// writtenRuns returns the runs as they were written, latest first.
func (e *ReadEngine) writtenRuns(ctx context.Context, stack string) ([]*resources.Run, error) {
	volumes, err := e.runVolumes(ctx, stack)
	if err != nil {
		return nil, err
	}
	byID := map[string]*resources.Run{}
	for _, v := range volumes {
		if v.Labels[labelRunPart] == runSpec {
			continue
		}
		run, err := resources.DecodeRun(v.Labels[labelRunText])
		if err != nil || run.ID != v.Labels[labelRunID] || run.Stack != stack {
			continue
		}
		if byID[run.ID] == nil || v.Labels[labelRunPart] == runEnd {
			byID[run.ID] = run
		}
	}
	return slices.SortedFunc(maps.Values(byID), func(a, b *resources.Run) int {
		return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(b.ID, a.ID))
	}), nil
}

func (e *ReadEngine) runVolumes(ctx context.Context, stack string) ([]*volume.Volume, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	list, err := e.api.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelRuns+"="+stack))})
	if err != nil {
		return nil, fmt.Errorf("journal: list volumes: %w", err)
	}
	return list.Volumes, nil
}

// Past returns what a run was made from; nil when it is not kept.
func (e *ReadEngine) Past(ctx context.Context, run *resources.Run) (*resources.Past, error) {
	if !resources.IsRunID(run.Past) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	v, err := e.api.VolumeInspect(ctx, runVolume(run.Stack, run.Past, runSpec))
	if cerrdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if v.Labels[labelRuns] != run.Stack {
		return nil, nil
	}
	return resources.DecodePast(v.Labels[labelRunText])
}

// Images returns the images of the services and jobs as this run knows them.
func (e *ReadEngine) Images(ctx context.Context, declared *resources.Declared) map[string]resources.RunImage {
	out := map[string]resources.RunImage{}
	for _, r := range slices.Concat(declared.Of("service"), declared.Of("job")) {
		ref := imageRef(r)
		if ref == "" || r.Dormant {
			continue
		}
		found, err := e.image(ctx, ref)
		if err != nil || found == nil {
			continue
		}
		out[r.Addr.String()] = resources.RunImage{Ref: ref, ID: found.ID, Digests: found.RepoDigests, Built: r.Config["build"] != nil}
	}
	return out
}

// Pin returns the spec's root with each service and job running the image that
// it ran in the run: by its digest where its name means another image today.
// Nothing is built, since what it was built from may have changed. missing
// names the images that are not to be had any more.
func (e *ReadEngine) Pin(ctx context.Context, root specs.Node, run *resources.Run) (pinned specs.Node, missing []string, err error) {
	sections := map[string]string{"services": "service", "jobs": "job"}
	entries := slices.Clone(root.Entries())
	for i, section := range entries {
		kind, ok := sections[section.Key]
		if !ok || section.Value.Kind() != specs.Map {
			continue
		}
		services := slices.Clone(section.Value.Entries())
		for j, s := range services {
			image, ok := run.Images[resources.NewAddr(kind, s.Key).String()]
			if !ok || s.Value.Kind() != specs.Map {
				continue
			}
			ref, err := e.pinnedRef(ctx, image)
			if err != nil {
				return root, nil, err
			}
			if ref == "" {
				missing = append(missing, fmt.Sprintf("the image %s that %s/%s ran (%s) is not on the engine any more, and no registry has it",
					image.Ref, kind, s.Key, shortID(image.ID)))
				continue
			}
			services[j].Value = withImage(s.Value, ref)
		}
		entries[i].Value = specs.NewMap(section.Value.Pos(), services)
	}
	return specs.NewMap(root.Pos(), entries), missing, nil
}

// pinnedRef returns a reference to the image of a run, "" when there is none.
func (e *ReadEngine) pinnedRef(ctx context.Context, was resources.RunImage) (string, error) {
	now, err := e.image(ctx, was.Ref)
	if err != nil || now != nil && now.ID == was.ID {
		return was.Ref, err
	}
	then, err := e.image(ctx, was.ID)
	if err != nil {
		return "", err
	}
	for _, d := range was.Digests {
		if ref, err := reference.ParseNormalizedNamed(d); err == nil && (then == nil || slices.Contains(then.RepoDigests, d)) {
			return reference.FamiliarString(ref), nil
		}
	}
	if then == nil {
		return "", nil
	}
	return then.ID, nil
}

// withImage returns a service that runs the image.
func withImage(service specs.Node, ref string) specs.Node {
	pos := service.Pos()
	if at := service.Get("image"); !at.IsAbsent() {
		pos = at.Pos()
	}
	entries := slices.DeleteFunc(slices.Clone(service.Entries()), func(e specs.Entry) bool {
		return e.Key == "image" || e.Key == "build" || e.Key == "pull_policy"
	})
	return specs.NewMap(service.Pos(), append(entries,
		specs.Entry{Key: "image", KeyPos: pos, Value: specs.NewScalar(pos, specs.String, ref, false)}))
}

// BeginRun writes that a run begins.
func (e *Engine) BeginRun(ctx context.Context, run *resources.Run) error {
	text, err := run.Encode()
	if err != nil {
		return err
	}
	return e.writeRun(ctx, run.Stack, run.ID, runBegin, text)
}

// EndRun replaces the beginning of a run by its end. One that is too large
// loses the steps that were merely done.
func (e *Engine) EndRun(ctx context.Context, run *resources.Run) error {
	text, err := run.Encode()
	if err == nil && len(text) > resources.MaxRunLabel {
		short := *run
		short.Steps = slices.DeleteFunc(slices.Clone(run.Steps), func(s resources.RunStep) bool { return s.State == "done" && !s.PutBack })
		text, err = short.Encode()
	}
	if err != nil {
		return err
	}
	if err := e.writeRun(ctx, run.Stack, run.ID, runEnd, text); err != nil {
		return err
	}
	return e.dropRun(ctx, runVolume(run.Stack, run.ID, runBegin))
}

// KeepPast writes what the run is made from.
func (e *Engine) KeepPast(ctx context.Context, run *resources.Run, past *resources.Past) error {
	text, err := past.Encode()
	if err != nil {
		return err
	}
	if len(text) > resources.MaxPastLabel {
		return fmt.Errorf("what the run is made from is too large to be kept: %d KiB compressed, and the journal takes %d", len(text)>>10,
			resources.MaxPastLabel>>10)
	}
	return e.writeRun(ctx, run.Stack, run.ID, runSpec, text)
}

func (e *Engine) writeRun(ctx context.Context, stack, id, part, text string) error {
	ctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	name := runVolume(stack, id, part)
	v, err := e.api.VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: map[string]string{
		labelRuns: stack, labelRunPart: part, labelRunID: id, labelRunText: text}})
	if err != nil {
		return fmt.Errorf("create volume %s: %w", name, err)
	}
	if v.Labels[labelRuns] != stack || v.Labels[labelRunText] != text {
		return fmt.Errorf("volume %s is there already and is not this run's", name)
	}
	return nil
}

// KeepRuns removes all but the latest runs, and what only they were made from.
func (e *Engine) KeepRuns(ctx context.Context, stack string, keep int) error {
	runs, err := e.writtenRuns(ctx, stack)
	if err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, r := range runs[:min(keep, len(runs))] {
		kept[r.ID] = true
		if r.Past != "" {
			kept[r.Past+"-"+runSpec] = true
		}
		if r.Ended.IsZero() { // it has not said what it is made from
			kept[r.ID+"-"+runSpec] = true
		}
	}
	return e.dropRuns(ctx, stack, func(v *volume.Volume) bool {
		id := v.Labels[labelRunID]
		if v.Labels[labelRunPart] == runSpec {
			id += "-" + runSpec
		}
		return kept[id]
	})
}

// DropRuns removes the journal of a stack and returns how many runs it had.
func (e *Engine) DropRuns(ctx context.Context, stack string) (int, error) {
	runs, err := e.writtenRuns(ctx, stack)
	if err != nil {
		return 0, err
	}
	return len(runs), e.dropRuns(ctx, stack, func(*volume.Volume) bool { return false })
}

// dropRuns removes the volumes of a journal that are not kept.
func (e *Engine) dropRuns(ctx context.Context, stack string, keep func(*volume.Volume) bool) error {
	volumes, err := e.runVolumes(ctx, stack)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make([]error, len(volumes))
	slots := make(chan struct{}, readers)
	for i, v := range volumes {
		// The name, too: a label alone may have been put on a volume with data.
		if keep(v) || !strings.HasPrefix(v.Name, "midaz-journal-"+stack+"-") {
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs[i] = e.dropRun(ctx, v.Name)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (e *Engine) dropRun(ctx context.Context, name string) error {
	ctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	if err := e.api.VolumeRemove(ctx, name, false); err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	return nil
}
