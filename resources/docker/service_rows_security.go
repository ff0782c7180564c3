package docker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// securityRows are rights, namespaces and logging.
var securityRows = []row{
	{
		Field: resources.Field{Key: "cap_add", Type: resources.Set(capability), Cost: resources.Remake,
			Doc: "Capabilities it has beyond the engine's usual ones.", Example: "[NET_ADMIN]", Other: "[IPC_LOCK, CAP_SYS_PTRACE]"},
		send: func(d *draft, v resources.Value) { d.host.CapAdd = resources.Texts(v) },
		seen: func(s *sight) resources.Value { return capabilities(s.c.HostConfig.CapAdd) },
	},
	{
		Field: resources.Field{Key: "cap_drop", Type: resources.Set(capability), Cost: resources.Remake,
			Doc: "Capabilities taken from it; ALL for every one.", Example: "[ALL]", Other: "[MKNOD]"},
		send: func(d *draft, v resources.Value) { d.host.CapDrop = resources.Texts(v) },
		seen: func(s *sight) resources.Value { return capabilities(s.c.HostConfig.CapDrop) },
	},
	{
		Field: resources.Field{Key: "privileged", Type: resources.Bool(), Default: false, Cost: resources.Remake,
			Doc: "Gives it all rights on the host.", Example: "true", Other: "false"},
		send: func(d *draft, v resources.Value) { d.host.Privileged = v == true },
		seen: hostBool(func(h *container.HostConfig) bool { return h.Privileged }),
	},
	{
		Field: resources.Field{Key: "security_opt",
			Type: resources.Set(resources.Checked("a security option such as no-new-privileges:true", securityOption)), Cost: resources.Remake,
			Doc:     "Security options. `seccomp=FILE` names a profile relative to the spec; its content is sent.",
			Example: "[\"no-new-privileges:true\"]", Other: "[seccomp=unconfined]"},
		send: func(d *draft, v resources.Value) { d.host.SecurityOpt = resources.Texts(v) },
		seen: seenSecurityOpt,
	},
	{
		Field: resources.Field{Key: "ipc", Name: true, Type: modeOf("private", "shareable", "host", "none"), Open: true, Cost: resources.Remake,
			Doc: "The IPC namespace: `private`, `shareable`, `host`, `none`, `service:NAME` or `container:NAME`.", Example: "shareable",
			Other: "host"},
		send: func(d *draft, v resources.Value) { d.host.IpcMode = container.IpcMode(d.peer(v)) },
		seen: func(s *sight) resources.Value { return s.mode("ipc", string(s.c.HostConfig.IpcMode)) },
	},
	{
		Field: resources.Field{Key: "pid", Name: true, Type: modeOf("host"), Cost: resources.Remake,
			Doc: "The process namespace: `host`, `service:NAME` or `container:NAME`.", Example: "host", Other: "\"container:other\""},
		send: func(d *draft, v resources.Value) { d.host.PidMode = container.PidMode(d.peer(v)) },
		seen: func(s *sight) resources.Value { return s.mode("pid", string(s.c.HostConfig.PidMode)) },
	},
	{
		Field: resources.Field{Key: "uts", Type: optional(resources.Enum("host", "")), Cost: resources.Remake,
			Doc: "`host` shares the host's name.", Example: "host", Other: "\"\""},
		send: func(d *draft, v resources.Value) { d.host.UTSMode = container.UTSMode(resources.Text(v)) },
		seen: hostText(func(h *container.HostConfig) string { return string(h.UTSMode) }),
	},
	{
		Field: resources.Field{Key: "userns_mode", Type: optional(resources.Enum("host", "")), Cost: resources.Remake,
			Doc: "`host` leaves user IDs as they are where the engine maps them.", Example: "host", Other: "\"\""},
		send: func(d *draft, v resources.Value) { d.host.UsernsMode = container.UsernsMode(resources.Text(v)) },
		seen: hostText(func(h *container.HostConfig) string { return string(h.UsernsMode) }),
	},
	{
		Field: resources.Field{Key: "cgroup", Type: resources.Enum("host", "private"), Open: true, Cost: resources.Remake,
			Doc: "The cgroup namespace.", Example: "host", Other: "private"},
		send: func(d *draft, v resources.Value) { d.host.CgroupnsMode = container.CgroupnsMode(resources.Text(v)) },
		seen: hostText(func(h *container.HostConfig) string { return string(h.CgroupnsMode) }),
	},
	{
		Field: resources.Field{Key: "cgroup_parent", Type: optional(resources.String()), Cost: resources.Remake,
			Doc: "The cgroup it is put under.", Example: "/midaz", Other: "/midaz/db"},
		send: func(d *draft, v resources.Value) { d.host.CgroupParent = resources.Text(v) },
		seen: hostText(func(h *container.HostConfig) string { return h.CgroupParent }),
	},
	{
		Field: resources.Field{Key: "group_add", Type: resources.Set(resources.String()), Cost: resources.Remake,
			Doc: "Further groups of the user, by name or number.", Example: "[\"1000\"]", Other: "[mail]"},
		send: func(d *draft, v resources.Value) { d.host.GroupAdd = resources.Texts(v) },
		seen: func(s *sight) resources.Value { return setOf(s.c.HostConfig.GroupAdd) },
	},
	{
		Field: resources.Field{Key: "oom_score_adj", Type: resources.Int(-1000, 1000), Default: int64(0), Cost: resources.Remake,
			Doc: "How readily the kernel kills it when memory runs out, from -1000 (never) to 1000.", Example: "500", Other: "-500"},
		send: func(d *draft, v resources.Value) { d.host.OomScoreAdj = int(v.(int64)) },
		seen: hostInt(func(h *container.HostConfig) int64 { return int64(h.OomScoreAdj) }),
	},
	{
		Field: resources.Field{Key: "logging", Type: loggingType, Open: true, Cost: resources.Remake,
			Doc:     "Where its output goes: `driver` and `options`. The engine's own setting holds for what is not given.",
			Example: "{driver: json-file, options: {max-size: 10m, max-file: \"3\"}}", Other: "{driver: local}"},
		send: func(d *draft, v resources.Value) {
			m := resources.Config(mapOf(v))
			d.host.LogConfig = container.LogConfig{Type: m.Text("driver"), Config: textMap(m["options"])}
		},
		seen: seenLogging,
	},
}

var capability = resources.Checked("a capability such as NET_ADMIN", func(s string) (string, error) {
	name := canonicalCapability(s)
	short := strings.TrimPrefix(name, "CAP_")
	if short == "ALL" || slices.Contains(capabilityNames, short) {
		return name, nil
	}
	if near := specs.Suggest(short, capabilityNames); near != "" {
		return "", fmt.Errorf("no such capability, did you mean %s?", near)
	}
	return "", errors.New("no such capability")
})

// capabilityNames are all that Linux has, the last of them since 5.9.
var capabilityNames = strings.Fields(`AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE
	DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN
	NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE
	SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM`)

func canonicalCapability(s string) string {
	s = upper(s)
	if s == "ALL" || strings.HasPrefix(s, "CAP_") {
		return s
	}
	return "CAP_" + s
}

func capabilities(list []string) resources.Value {
	out := make([]string, len(list))
	for i, c := range list {
		out[i] = canonicalCapability(c)
	}
	return setOf(out)
}

// modeOf is a namespace: one of the words, service:NAME or container:NAME.
func modeOf(words ...string) resources.Type {
	all := strings.Join(words, ", ")
	return resources.Checked("one of "+all+", service:NAME, container:NAME", func(s string) (string, error) {
		if slices.Contains(words, s) {
			return s, nil
		}
		return checkPeer(s, "it is none of them")
	})
}

// mode returns a namespace as it is declared.
func (s *sight) mode(field, mode string) resources.Value {
	if strings.HasPrefix(mode, "container:") {
		return s.peerMode(field, mode)
	}
	return textOrNil(mode)
}

// securityOption returns the canonical form: "=" after the name but for
// no-new-privileges, whose value is always there.
func securityOption(s string) (string, error) {
	name, value, _ := cutOption(s)
	switch name {
	case "no-new-privileges":
		switch value {
		case "", "true":
			return "no-new-privileges:true", nil
		case "false":
			return "no-new-privileges:false", nil
		}
		return "", errors.New("no-new-privileges is true or false")
	case "seccomp", "apparmor", "label", "systempaths":
		if value == "" {
			return "", errors.New("it needs a value after " + name + "=")
		}
		if name == "seccomp" {
			value = compactJSON(value)
		}
		return name + "=" + value, nil
	}
	return "", errors.New("it is none of no-new-privileges, seccomp, apparmor, label and systempaths")
}

// cutOption splits at the first "=" or ":".
func cutOption(s string) (name, value string, ok bool) {
	i := strings.IndexAny(s, "=:")
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// compactJSON returns a seccomp profile without blanks, so that formatting is
// no difference, and anything else as it is.
func compactJSON(text string) string {
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		return text
	}
	return b.String()
}

// seenSecurityOpt leaves out what the engine adds by itself to privileged
// containers and those in the host's namespaces.
func seenSecurityOpt(s *sight) resources.Value {
	declared := resources.Texts(s.config()["security_opt"])
	host := s.c.HostConfig
	implied := host.Privileged || host.PidMode.IsHost() || host.IpcMode.IsHost()
	var out []string
	for _, o := range host.SecurityOpt {
		text := o
		if canonical, err := securityOption(o); err == nil {
			text = canonical
		}
		if text == "label=disable" && implied && !slices.Contains(declared, text) {
			continue
		}
		out = append(out, text)
	}
	return setOf(out)
}

var loggingType = resources.Object{
	What: "logging",
	Fields: []resources.Field{
		{Key: "driver", Type: resources.String(), Example: "json-file", Other: "local", Doc: "The log driver."},
		{Key: "options", Type: resources.Pairs(), Example: "{max-size: 10m}", Other: "{max-file: \"3\"}", Doc: "Options of the driver."},
	},
	Finish: func(v map[string]any) error {
		drop(v, map[string]any{"driver": "", "options": nil})
		return nil
	},
}

// seenLogging shows what is declared or was applied: the engine merges its own
// driver and options under the container's.
func seenLogging(s *sight) resources.Value {
	have := s.c.HostConfig.LogConfig
	declared, before := resources.Config(mapOf(s.config()["logging"])), resources.Config(mapOf(s.before("logging")))
	if len(declared) == 0 && len(before) == 0 {
		return nil
	}
	out := map[string]any{}
	// What is newly declared is shown only where it is so already: until then it is
	// the engine's own, which no one has changed.
	shows := func(have string, declared, before resources.Value) bool {
		return before != nil || declared != nil && (s.applied == nil || resources.Equal(have, declared))
	}
	if shows(have.Type, declared["driver"], before["driver"]) {
		out["driver"] = have.Type
	}
	options := map[string]any{}
	for k, v := range have.Config {
		if shows(v, declared.Map("options")[k], before.Map("options")[k]) {
			options[k] = v
		}
	}
	out["options"] = options
	out = compact(out)
	if out == nil {
		return nil
	}
	return out
}
