package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/build"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// build builds the image through the engine's API: the folder goes there as a
// tar, so it works on remote engines and needs no other program.
func (k imageWriter) build(ctx context.Context, r *resources.Resource, note resources.Note) error {
	rec, ok := r.Native.(*recipe)
	if !ok || rec.problem != nil {
		return fmt.Errorf("build %s: its folder cannot be read", r.Addr.Name)
	}
	note("reading %s", r.Config.Map("build")["context"])
	inputs, err := k.e.inputsOf(ctx, r)
	if err != nil {
		return err
	}
	opts, err := k.buildOptions(ctx, r, rec, inputs)
	if err != nil {
		return err
	}
	body, tarring := io.Pipe()
	go func() { tarring.CloseWithError(rec.tar(ctx, tarring)) }()
	defer func() { _ = body.Close() }() // ends the goroutine if the engine stops reading
	hide := hider(r, r.Config["build"])
	last := &lastLines{limit: 20}
	// The engine ends a build whose client goes away, so it ends with ctx.
	resp, err := k.e.api.ImageBuild(ctx, body, opts)
	if err == nil {
		err = readProgress(resp.Body, func(m *progressLine) {
			for line := range strings.Lines(m.Stream) {
				if text := hide(dockerapi.CleanLine(strings.TrimSpace(line))); text != "" {
					last.add(text)
					note("%s", text)
				}
			}
		})
		_ = resp.Body.Close()
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return k.buildError(r, errors.New(hide(err.Error())), last.lines)
	}
	found, err := k.e.imageNow(ctx, r.Addr.Name)
	if err != nil {
		return err
	}
	if found == nil || labelsOfImage(found)[labelBuild] != opts.Labels[labelBuild] {
		return fmt.Errorf("build %s: the engine reports success but the image is not there", r.Addr.Name)
	}
	return nil
}

func (k imageWriter) buildOptions(ctx context.Context, r *resources.Resource, rec *recipe, inputs *buildInputs) (build.ImageBuildOptions,
	error) {
	c := resources.Config(r.Config.Map("build"))
	opts := build.ImageBuildOptions{
		Tags: append([]string{r.Addr.Name}, c.Texts("tags")...), Dockerfile: rec.name(), Target: c.Text("target"),
		NetworkMode: c.Text("network"), ExtraHosts: c.Texts("extra_hosts"), NoCache: c.Bool("no_cache"), PullParent: c.Bool("pull"),
		Platform: r.Config.Text("platform"), CacheFrom: c.Texts("cache_from"), ShmSize: resources.ParseBytes(c["shm_size"]),
		Labels: textMap(c["labels"]), BuildArgs: map[string]*string{}, Remove: true, ForceRemove: true, Version: build.BuilderV1,
	}
	for name, text := range textMap(c["args"]) {
		opts.BuildArgs[name] = &text
	}
	opts.Labels[labelBuild], opts.Labels[labelBuildStack] = inputs.mark(), r.Stack
	if rec.buildKit {
		opts.Version = build.BuilderBuildKit
		return opts, nil // it takes logins only from a session, which this API has not
	}
	auths, err := k.e.auth.All(ctx)
	if err != nil {
		return opts, err
	}
	opts.AuthConfigs = auths
	return opts, nil
}

// hider returns a function that masks the secrets of v, and of the whole spec, in
// the engine's output: a build may print its arguments.
func hider(r *resources.Resource, v resources.Value) func(string) string {
	var pairs []string
	var visit func(v resources.Value)
	visit = func(v resources.Value) {
		switch v := v.(type) {
		case resources.Secret:
			if text := v.Reveal(); len(text) >= resources.LeastRedacted {
				pairs = append(pairs, text, resources.Masked)
			}
		case []any:
			for _, e := range v {
				visit(e)
			}
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				visit(v[k])
			}
		}
	}
	visit(v)
	own := strings.NewReplacer(pairs...)
	return func(text string) string { return own.Replace(r.Redactor.Text(text)) }
}

// lastLines keeps the last lines added.
type lastLines struct {
	limit int
	lines []string
}

func (l *lastLines) add(line string) {
	l.lines = append(l.lines, line)
	if len(l.lines) > l.limit {
		l.lines = l.lines[1:]
	}
}

// buildError explains why a build failed: what it printed last, and what to do.
func (k imageWriter) buildError(r *resources.Resource, err error, output []string) error {
	wrapped := fmt.Errorf("build %s: %w", r.Addr.Name, err)
	if len(output) > 0 {
		wrapped = fmt.Errorf("build %s: %w\n  %s", r.Addr.Name, err, strings.Join(output, "\n  "))
	}
	text := err.Error() + "\n" + strings.Join(output, "\n")
	switch {
	case containsAny(text, "no space left on device", "No space left on device", "disk quota exceeded"):
		return &resources.Diagnosis{Err: wrapped, Hint: diskHint(k.e.Host())}
	case containsAny(err.Error(), "returned a non-zero code", "did not complete successfully"):
		return &resources.Diagnosis{Err: wrapped, Hint: "a command of the Dockerfile failed; what it printed last stands above"}
	case containsAny(err.Error(), "COPY failed", "ADD failed", "failed to compute cache key"):
		return &resources.Diagnosis{Err: wrapped, Hint: "the file is not in the build's folder, or .dockerignore leaves it out"}
	}
	return fetchError(wrapped, "the registry of a base image", k.e.Host())
}
