package docker

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// processRows say what runs in the container, and as whom.
var processRows = []row{
	{
		Field: resources.Field{Key: "container_name", Name: true,
			Type:    resources.Pattern("a container name (letters, digits, _ . -, at least two)", `^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`),
			Cost:    resources.InPlace,
			Doc:     "The container's name on the engine, STACK-SERVICE when not given.",
			Example: "midaz-postgres", Other: "midaz-db"},
		seen: func(s *sight) resources.Value {
			name := strings.TrimPrefix(s.c.Name, "/")
			natural := ""
			if s.want != nil {
				natural = s.want.Stack + "-" + s.want.Addr.Parts()[0]
			}
			return s.natural("container_name", name, natural, true)
		},
	},
	{
		Field: resources.Field{Key: "command", Type: resources.Argv(), Cost: resources.Remake,
			Doc: "The command, as a list of arguments or as one text that is split like a shell splits words. Without it the image's command " +
				"runs, unless `entrypoint` is given.",
			Example: "[postgres, -c, max_connections=100]", Other: "postgres -c max_connections=200"},
		send: func(d *draft, v resources.Value) { d.config.Cmd = resources.Texts(v) },
		seen: seenCommand,
	},
	{
		Field: resources.Field{Key: "entrypoint", Type: entrypointType, Cost: resources.Remake,
			Doc: "Replaces the image's entrypoint, in the forms of `command`. The image's command is then not used either. An empty list " +
				"removes the entrypoint.",
			Example: "[/bin/sh, -c]", Other: "/bin/bash"},
		send: func(d *draft, v resources.Value) { d.config.Entrypoint = resources.Texts(v) },
		seen: seenEntrypoint,
	},
	{
		Field: resources.Field{Key: "environment", Type: envType{secrets: true}, Cost: resources.Remake,
			Doc:     "Environment variables, as a map or as a list of KEY=value. They win over those of `env_file` and of the image.",
			Example: "{PGPORT: \"5701\", TZ: UTC}", Other: "[PGPORT=5702]"},
		send: func(d *draft, v resources.Value) { d.config.Env = envList(mapOf(v)) },
		seen: seenEnvironment,
	},
	{
		Field: resources.Field{Key: "env_file", Type: envFileType, Unseen: true, Unmarked: true,
			Doc:     "Files of KEY=value lines, relative to the spec. Later ones win. Their values are taken for secrets and never shown.",
			Example: "[{path: app.env, required: false}]", Other: "./.env"},
	},
	{
		Field: resources.Field{Key: "user", Type: optional(resources.String()), Cost: resources.Remake,
			Doc:     "The user the process runs as: a name or number, with `:group` if wanted.",
			Example: "\"1000:1000\"", Other: "root"},
		send: func(d *draft, v resources.Value) { d.config.User = resources.Text(v) },
		seen: imageField("user", func(c *container.Config) string { return c.User },
			func(i *dockerspec.DockerOCIImageConfig) string { return i.User }),
	},
	{
		Field: resources.Field{Key: "working_dir", Type: optional(resources.Checked("an absolute path", absolutePath)), Cost: resources.Remake,
			Doc:     "The folder in the container that the process starts in.",
			Example: "/srv", Other: "/tmp"},
		send: func(d *draft, v resources.Value) { d.config.WorkingDir = resources.Text(v) },
		seen: imageField("working_dir", func(c *container.Config) string { return cleanPath(c.WorkingDir) },
			func(i *dockerspec.DockerOCIImageConfig) string { return cleanPath(i.WorkingDir) }),
	},
	{
		Field: resources.Field{Key: "hostname", Type: optional(resources.Pattern("a host name",
			`^[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9_])?$|^$`)), Cost: resources.Remake,
			Doc:     "The host name inside the container. The engine chooses one when it is not given.",
			Example: "db", Other: "db1"},
		send: func(d *draft, v resources.Value) { d.config.Hostname = resources.Text(v) },
		seen: seenHostname,
	},
	{
		Field: resources.Field{Key: "domainname", Type: optional(resources.String()), Cost: resources.Remake,
			Doc:     "The domain part of the container's host name.",
			Example: "example.internal", Other: "example.test"},
		send: func(d *draft, v resources.Value) { d.config.Domainname = resources.Text(v) },
		seen: func(s *sight) resources.Value {
			name := s.c.Config.Domainname
			if s.c.HostConfig.NetworkMode.IsContainer() && !resources.Equal(name, s.config()["domainname"]) {
				return nil // it is the other's
			}
			return textOrNil(name)
		},
	},
	{
		Field: resources.Field{Key: "labels", Type: resources.Labels(), Cost: resources.Remake,
			Doc:     "Labels of the container, as a map or as a list of KEY=value. Names that begin with `midaz.` are reserved.",
			Example: "{team: ledger}", Other: "[team=core]"},
		send: func(d *draft, v resources.Value) { d.config.Labels = textMap(v) },
		seen: seenLabels,
	},
	{
		Field: resources.Field{Key: "annotations", Type: resources.Labels(), Cost: resources.Remake, Since: "1.43",
			Doc:     "Annotations passed to the runtime, as a map or as a list of KEY=value.",
			Example: "{com.example.tier: data}", Other: "[com.example.tier=edge]"},
		send: func(d *draft, v resources.Value) { d.host.Annotations = textMap(v) },
		seen: func(s *sight) resources.Value { return mapOfTexts(s.c.HostConfig.Annotations) },
	},
	{
		Field: resources.Field{Key: "tty", Type: resources.Bool(), Default: false, Cost: resources.Remake,
			Doc: "Gives the process a terminal.", Example: "true", Other: "false"},
		send: func(d *draft, v resources.Value) { d.config.Tty = v == true },
		seen: func(s *sight) resources.Value { return s.c.Config.Tty },
	},
	{
		Field: resources.Field{Key: "stdin_open", Type: resources.Bool(), Default: false, Cost: resources.Remake,
			Doc: "Keeps the process's standard input open.", Example: "true", Other: "false"},
		send: func(d *draft, v resources.Value) { d.config.OpenStdin = v == true },
		seen: func(s *sight) resources.Value { return s.c.Config.OpenStdin },
	},
	{
		Field: resources.Field{Key: "stop_signal", Type: resources.Checked("a signal such as SIGTERM", signalName), Cost: resources.Remake,
			Doc:     "The signal that asks the process to end, by name or number.",
			Example: "SIGINT", Other: "SIGQUIT"},
		send: func(d *draft, v resources.Value) { d.config.StopSignal = resources.Text(v) },
		seen: imageField("stop_signal", func(c *container.Config) string { return canonicalSignal(c.StopSignal) },
			func(i *dockerspec.DockerOCIImageConfig) string { return canonicalSignal(i.StopSignal) }),
	},
	{
		Field: resources.Field{Key: "stop_grace_period", Type: refined{resources.Duration(), wholeSeconds}, Cost: resources.Remake,
			Doc:     "How long the process may take to end before it is killed, in whole seconds. The engine waits 10s when it is not given.",
			Example: "30s", Other: "1m30s"},
		send: func(d *draft, v resources.Value) {
			seconds := int(resources.ParseDuration(v) / time.Second)
			d.config.StopTimeout = &seconds
		},
		seen: func(s *sight) resources.Value {
			if s.c.Config.StopTimeout == nil {
				return nil
			}
			return resources.ShowDuration(time.Duration(*s.c.Config.StopTimeout) * time.Second)
		},
	},
	{
		Field: resources.Field{Key: "init", Type: resources.Bool(), Cost: resources.Remake,
			Doc:     "Runs a small init process that passes on signals and reaps children. The engine's own setting holds when it is not given.",
			Example: "true", Other: "false"},
		send: func(d *draft, v resources.Value) { on := v == true; d.host.Init = &on },
		seen: func(s *sight) resources.Value {
			if s.c.HostConfig.Init == nil {
				return nil
			}
			return *s.c.HostConfig.Init
		},
	},
	{
		Field: resources.Field{Key: "runtime", Type: optional(resources.String()), Open: true, Cost: resources.Remake,
			Doc:     "The OCI runtime, by the name the engine knows it under.",
			Example: "runc", Other: "io.containerd.runc.v2"},
		send: func(d *draft, v resources.Value) { d.host.Runtime = resources.Text(v) },
		seen: hostText(func(h *container.HostConfig) string { return h.Runtime }),
	},
}

// entrypointType is an Argv whose empty form, which clears the image's
// entrypoint, is the list of one empty text: so the engine's API spells it.
var entrypointType = refined{resources.Argv(), func(v resources.Value) (resources.Value, error) {
	if resources.IsEmpty(v) {
		return []any{""}, nil
	}
	return v, nil
}}

func seenEntrypoint(s *sight) resources.Value {
	v := listOf(s.c.Config.Entrypoint)
	if s.image == nil {
		return s.natural("entrypoint", v, nil, v == nil)
	}
	natural := listOf(s.image.Entrypoint)
	if v == nil && (natural != nil || resources.Equal(s.config()["entrypoint"], []any{""})) {
		v = []any{""} // the image's was cleared
	}
	return s.natural("entrypoint", v, natural, true)
}

// seenCommand knows that an entrypoint drops the image's command, the wanted
// one as well as the one that was applied.
func seenCommand(s *sight) resources.Value {
	v := listOf(s.c.Config.Cmd)
	if s.image == nil {
		return s.natural("command", v, nil, v == nil)
	}
	filled := listOf(s.image.Cmd)
	if s.declares("entrypoint") && (s.applied.Has("entrypoint") || !resources.Equal(v, filled)) {
		filled = nil
	}
	return s.natural("command", v, filled, true)
}

func seenHostname(s *sight) resources.Value {
	name := s.c.Config.Hostname
	mode := s.c.HostConfig.NetworkMode
	if mode.IsHost() || mode.IsContainer() || s.c.HostConfig.UTSMode.IsHost() { // it is the other's name
		if s.declares("hostname") && resources.Equal(name, s.config()["hostname"]) {
			return name
		}
		return nil
	}
	if len(s.c.ID) >= 12 && name == s.c.ID[:12] {
		return s.natural("hostname", name, name, true)
	}
	return textOrNil(name)
}

func seenLabels(s *sight) resources.Value {
	declared, before := mapOf(s.config()["labels"]), mapOf(s.before("labels"))
	out := map[string]any{}
	for k, v := range s.c.Config.Labels {
		p := part{v: v, known: s.image != nil}
		p.want, p.declared = declared[k]
		_, p.applied = before[k]
		if !p.declared && isToolLabel(k) {
			continue
		}
		if s.image != nil {
			if filled, ok := s.image.Labels[k]; ok {
				p.filled = filled
			}
		}
		if !p.isNatural() {
			out[k] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// isToolLabel tells marks of tools, which no one declares.
func isToolLabel(key string) bool {
	for _, prefix := range []string{labelPrefix, "com.docker.compose.", "desktop.docker.io/"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// absolutePath accepts a path in the container and cleans it.
func absolutePath(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if !strings.HasPrefix(s, "/") {
		return "", errors.New("it must begin with /")
	}
	return path.Clean(s), nil
}

func cleanPath(s string) string {
	if s == "" {
		return ""
	}
	return path.Clean(s)
}

func wholeSeconds(v resources.Value) (resources.Value, error) {
	if resources.ParseDuration(v)%time.Second != 0 {
		return nil, errors.New("expected whole seconds: the engine counts no parts of a second here")
	}
	return v, nil
}

// signals are Linux's signals by number, which containers have whatever system
// midaz runs on.
var signals = []string{1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
	9:  "SIGKILL",
	10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM", 16: "SIGSTKFLT", 17: "SIGCHLD", 18: "SIGCONT",
	19: "SIGSTOP", 20: "SIGTSTP", 21: "SIGTTIN", 22: "SIGTTOU", 23: "SIGURG", 24: "SIGXCPU", 25: "SIGXFSZ", 26: "SIGVTALRM", 27: "SIGPROF",
	28: "SIGWINCH", 29: "SIGIO", 30: "SIGPWR", 31: "SIGSYS"}

// signalName returns the canonical name of a signal given by name or number.
// Real-time signals ("RTMIN+3") keep their name.
func signalName(s string) (string, error) {
	name := upper(s)
	if n, err := strconv.Atoi(name); err == nil {
		if n > 0 && n < len(signals) {
			return signals[n], nil
		}
		return "", fmt.Errorf("there is no signal %d by that number; name it", n)
	}
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if slices.Contains(signals[1:], name) || strings.HasPrefix(name, "SIGRTMIN") || strings.HasPrefix(name, "SIGRTMAX") {
		return name, nil
	}
	return "", errors.New("no such signal" + specsHint(name))
}

func specsHint(name string) string {
	if near := specs.Suggest(name, signals[1:]); near != "" {
		return ", did you mean " + near + "?"
	}
	return ""
}

// canonicalSignal is signalName for what the engine shows.
func canonicalSignal(s string) string {
	if name, err := signalName(s); err == nil {
		return name
	}
	return s
}
