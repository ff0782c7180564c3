package compose

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/format"
	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"
)

// load reads the project twice with the reference loader: as Compose does, for
// what it means, and with marks in place of references, for what it says. The
// first decides; the second is used where it comes to the same.
func (r *reader) load(ctx context.Context) error {
	env := maps.Clone(r.fileEnv)
	maps.Copy(env, r.env)
	env[consts.ComposeProjectName] = r.name
	values, err := loader.LoadModelWithContext(ctx, r.details(env), func(o *loader.Options) {
		o.SetProjectName(r.name, true)
		o.SkipDefaultValues = true
	})
	if err != nil {
		return err
	}
	r.values, _ = withoutExtensions(normal(values)).(map[string]any)
	// The loader also checks what services say of one another. What it would
	// refuse may still be of use as a spec.
	if _, err := loader.LoadWithContext(ctx, r.details(env), func(o *loader.Options) {
		o.SetProjectName(r.name, true)
		o.Profiles = []string{"*"}
		o.SkipResolveEnvironment, o.SkipResolveLabels = true, true
	}); err != nil {
		r.draft.Note("", nil, "Compose would refuse this project: %s", strings.TrimSuffix(err.Error(), ": invalid compose project"))
	}
	r.marks = newMarks(r.name)
	texts, err := loader.LoadModelWithContext(ctx, r.details(r.marks.environment(env)), func(o *loader.Options) {
		o.SetProjectName(r.name, true)
		o.SkipDefaultValues, o.SkipValidation = true, true
		o.Interpolate = &interpolation.Options{LookupValue: o.Interpolate.LookupValue, Substitute: r.marks.substitute,
			TypeCastMapping: r.marks.casts(o.Interpolate.TypeCastMapping)}
	})
	if err == nil {
		r.texts, _ = withoutExtensions(normal(texts)).(map[string]any)
	} else {
		r.draft.Note("", nil, "no reference could be kept: all are written as their values")
	}
	return nil
}

func (r *reader) details(env map[string]string) types.ConfigDetails {
	d := types.ConfigDetails{WorkingDir: r.dir, Environment: maps.Clone(env)}
	for _, f := range r.files {
		d.ConfigFiles = append(d.ConfigFiles, types.ConfigFile{Filename: f})
	}
	return d
}

// maps of a Compose file whose keys are names that users give. Only beside other
// keys is one that begins with x- an extension field.
var namedBy = func() map[string]bool {
	out := map[string]bool{}
	for _, path := range []string{"services", "networks", "volumes", "secrets", "configs", "models",
		"networks.*.driver_opts", "networks.*.labels", "networks.*.ipam.options", "networks.*.ipam.config.*.aux_addresses",
		"volumes.*.driver_opts", "volumes.*.labels"} {
		out[path] = true
	}
	for _, key := range []string{"annotations", "build.additional_contexts", "build.args", "build.extra_hosts", "build.labels", "build.ssh",
		"build.ulimits",
		"depends_on", "deploy.labels", "environment", "extra_hosts", "labels", "logging.options", "networks", "networks.*.driver_opts",
		"storage_opt", "sysctls", "ulimits", "volumes.*.volume.labels"} {
		out["services.*."+key] = true
	}
	return out
}()

// withoutExtensions returns a model without extension fields.
func withoutExtensions(model any) any { return extensionsOff(model, "") }

func extensionsOff(v any, path string) any {
	below := func(key string) string {
		switch {
		case path == "":
			return key
		case namedBy[path]:
			key = "*"
		}
		return path + "." + key
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if namedBy[path] || !strings.HasPrefix(k, "x-") || k == wholeText {
				out[k] = extensionsOff(e, below(k))
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = extensionsOff(e, path+".*")
		}
		return out
	}
	return v
}

// Keys of what a text was taken apart into: the whole text.
const wholeText = "x-midaz-text"

// casts returns what becomes of the scalars that the loader does not leave as
// texts. Marks stay where a number or switch would stand. A text that the loader
// takes apart is taken apart here, by its value, and kept beside its parts. What
// the loader itself acts on is read as its value.
func (m *marks) casts(known map[tree.Path]interpolation.Cast) map[tree.Path]interpolation.Cast {
	out := map[tree.Path]interpolation.Cast{}
	for path, cast := range known {
		out[path] = func(text string) (any, error) {
			if isMarked(text) {
				return text, nil
			}
			return cast(text)
		}
	}
	plain := func(path tree.Path) interpolation.Cast {
		cast := known[path]
		return func(text string) (any, error) {
			m.lose(text)
			if cast != nil {
				return cast(m.plain(text))
			}
			return m.plain(text), nil
		}
	}
	for _, path := range []string{"include.[]", "include.[].path", "include.[].path.[]", "include.[].project_directory", "include.[].env_file",
		"include.[].env_file.[]",
		"networks.*.external", "volumes.*.external", "secrets.*.external", "configs.*.external", "secrets.*.environment",
		"configs.*.environment"} {
		out[tree.Path(path)] = plain(tree.Path(path))
	}
	for _, service := range []string{"services.*.", "jobs.*."} {
		for _, path := range []string{"extends", "extends.file", "extends.service", "depends_on.[]", "networks", "networks.[]", "profiles.[]",
			"links.[]",
			"secrets.[]", "secrets.[].source", "configs.[]", "configs.[].source", "build.secrets.[]", "build.additional_contexts.[]", "build.ssh.[]",
			"label_file", "label_file.[]", "provider.type"} {
			out[tree.Path(service+path)] = plain("")
		}
		out[tree.Path(service+"ports.[]")] = m.port
		out[tree.Path(service+"volumes.[]")] = m.volume
		out[tree.Path(service+"ulimits.*")] = m.ulimit(known[tree.Path(service+"ulimits.*")])
		out[tree.Path(service+"environment.[]")] = m.passedOn
	}
	return out
}

// port keeps a short port whole when it stands for several or holds marks.
func (m *marks) port(text string) (any, error) {
	all, err := types.ParsePortConfig(m.plain(text))
	if err != nil || len(all) == 0 || len(all) == 1 && !isMarked(text) {
		return text, nil
	}
	return map[string]any{"target": text, wholeText: text}, nil
}

// volume takes a short mount with marks apart.
func (m *marks) volume(text string) (any, error) {
	if !isMarked(text) {
		return text, nil
	}
	v, err := format.ParseVolume(m.plain(text))
	if err != nil {
		return nil, err
	}
	out := map[string]any{"type": v.Type, "source": v.Source, "target": v.Target, wholeText: text}
	if parts := strings.Split(text, ":"); len(parts) > 1 && m.plain(parts[0]) == v.Source && m.plain(parts[1]) == v.Target {
		out["source"], out["target"] = parts[0], parts[1]
	} else if len(parts) == 1 && m.plain(text) == v.Target {
		out["target"] = text
	}
	if v.Source == "" {
		delete(out, "source")
	}
	if v.ReadOnly {
		out["read_only"] = true
	}
	if v.Bind != nil {
		out["bind"] = normal(map[string]any{"create_host_path": true, "propagation": v.Bind.Propagation, "selinux": v.Bind.SELinux})
	}
	if v.Volume != nil {
		out["volume"] = map[string]any{"nocopy": v.Volume.NoCopy}
	}
	return out, nil
}

func (m *marks) ulimit(cast interpolation.Cast) interpolation.Cast {
	return func(text string) (any, error) {
		if isMarked(text) || cast == nil {
			return map[string]any{"soft": text, "hard": text, wholeText: text}, nil
		}
		return cast(text)
	}
}

// passedOn makes a reference of a variable that is named without a value.
func (m *marks) passedOn(text string) (any, error) {
	if strings.Contains(m.plain(text), "=") || isMarked(text) || plainName.FindString(text) != text {
		return text, nil
	}
	value, ok := m.scope(text)
	if !ok {
		return text, nil
	}
	return text + "=" + m.mark(ref{text: "${" + text + "}", value: value, own: "=" + value}), nil
}

// profiles are those that services of the project name.
func (r *reader) profiles() []string {
	var out []string
	services, _ := r.values["services"].(map[string]any)
	for _, v := range services {
		service, _ := v.(map[string]any)
		list, _ := service["profiles"].([]any)
		for _, p := range list {
			if name, ok := p.(string); ok && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}
