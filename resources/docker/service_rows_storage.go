package docker

import (
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// storageRows are mounts, temporary file systems and devices.
var storageRows = []row{
	{
		Field: resources.Field{Key: "volumes", Type: mountsType, Cost: resources.Remake,
			Doc: "Mounts, as `SOURCE:TARGET[:ro]` or as maps. A source with a slash is a path on the engine's host (relative ones start at " +
				"the spec's folder), one without names a volume; a target alone is an anonymous volume.",
			Example: "[\"data:/var/lib/data\", {type: tmpfs, target: /cache, tmpfs: {size: 64m}}]", Other: "[\"data:/var/lib/data:ro\"]"},
		send: sendMounts, seen: seenMounts, bare: bareMounts,
	},
	{
		Field: resources.Field{Key: "tmpfs", Type: tmpfsType, Cost: resources.Remake,
			Doc:     "Temporary file systems in memory, each as `PATH` or `PATH:OPTIONS`.",
			Example: "[/run, \"/tmp:size=64m,mode=1777\"]", Other: "/run"},
		send: func(d *draft, v resources.Value) { d.host.Tmpfs = textMap(v) },
		seen: func(s *sight) resources.Value {
			out := map[string]any{}
			for p, options := range s.c.HostConfig.Tmpfs {
				out[path.Clean(p)] = canonicalOptions(options)
			}
			if len(out) == 0 {
				return nil
			}
			return out
		},
	},
	{
		Field: resources.Field{Key: "read_only", Type: resources.Bool(), Default: false, Cost: resources.Remake,
			Doc: "Makes the container's root file system read-only.", Example: "true", Other: "false"},
		send: func(d *draft, v resources.Value) { d.host.ReadonlyRootfs = v == true },
		seen: hostBool(func(h *container.HostConfig) bool { return h.ReadonlyRootfs }),
	},
	{
		Field: resources.Field{Key: "shm_size", Type: sizeType, Open: true, Cost: resources.Remake,
			Doc: "Size of /dev/shm; the engine takes 64m when it is not given.", Example: "128m", Other: "256m"},
		send: func(d *draft, v resources.Value) { d.host.ShmSize = resources.ParseBytes(v) },
		seen: hostBytes(func(h *container.HostConfig) int64 { return h.ShmSize }),
	},
	{
		Field: resources.Field{Key: "devices", Type: resources.Set(resources.Object{
			What: "a device", ShortDoc: "HOST[:CONTAINER[:PERMISSIONS]]", Short: shortDevice, Finish: finishDevice,
			Fields: []resources.Field{
				{Key: "source", Type: resources.String(), Required: true, Example: "/dev/fuse", Other: "/dev/zero", Doc: "the device on the host."},
				{Key: "target", Type: resources.String(), Example: "/dev/mine", Other: "/dev/other",
					Doc: "Its path in the container, the same when not given."},
				{Key: "permissions", Type: resources.Pattern("letters of rwm", `^[rwm]{1,3}$`), Example: "r", Other: "rw",
					Doc: "Any of r, w and m, all when not given."},
			}}), Cost: resources.Remake,
			Doc:     "Devices of the host, as `HOST[:CONTAINER[:PERMISSIONS]]` or as maps.",
			Example: "[\"/dev/null:/dev/mynull:rw\"]", Other: "[/dev/zero]"},
		send: func(d *draft, v resources.Value) {
			for _, e := range v.([]any) {
				m := resources.Config(mapOf(e))
				d.host.Devices = append(d.host.Devices, container.DeviceMapping{PathOnHost: m.Text("source"), PathInContainer: m.Text("target"),
					CgroupPermissions: m.Text("permissions")})
			}
		},
		seen: func(s *sight) resources.Value {
			var out []any
			for _, dev := range s.c.HostConfig.Devices {
				m := map[string]any{"source": dev.PathOnHost, "target": dev.PathInContainer, "permissions": dev.CgroupPermissions}
				_ = finishDevice(m)
				out = append(out, m)
			}
			if out == nil {
				return nil
			}
			return resources.SortSet(out)
		},
	},
	{
		Field: resources.Field{Key: "device_cgroup_rules",
			Type: resources.Set(resources.Pattern("a rule such as \"c 1:3 rwm\"", `^[abc] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$`)),
			Cost: resources.Remake,
			Doc:  "Devices the container may use without having them, as rules of the kernel's device controller.", Example: "[\"c 1:3 rwm\"]",
			Other: "[\"c 1:3 r\"]"},
		send: func(d *draft, v resources.Value) { d.host.DeviceCgroupRules = resources.Texts(v) },
		seen: func(s *sight) resources.Value { return setOf(s.c.HostConfig.DeviceCgroupRules) },
	},
	{
		Field: resources.Field{Key: "storage_opt", Type: resources.Pairs(), Cost: resources.Remake,
			Doc: "Options of the engine's storage driver for this container.", Example: "{size: 10G}", Other: "{size: 20G}"},
		send: func(d *draft, v resources.Value) { d.host.StorageOpt = textMap(v) },
		seen: func(s *sight) resources.Value { return mapOfTexts(s.c.HostConfig.StorageOpt) },
	},
}

var mountsType = resources.Keyed{
	Key: func(v map[string]any) string { return resources.Text(v["target"]) },
	Elem: resources.Object{
		What: "a mount", ShortDoc: "[SOURCE:]TARGET[:OPTIONS]", Short: shortMount, Finish: finishMount,
		Fields: []resources.Field{
			{Key: "type", Type: resources.Enum("volume", "bind", "tmpfs"), Example: "volume", Other: "bind",
				Doc: "`volume`, `bind` for a path of the engine's host, or `tmpfs`. Told from the source when not given."},
			{Key: "source", Type: resources.String(), Example: "data", Other: "./data",
				Doc: "The volume's name in the spec, or the path on the host. None means an anonymous volume."},
			{Key: "target", Type: resources.Checked("an absolute path in the container", mountTarget), Required: true, Example: "/data",
				Other: "/srv", Doc: "where it appears in the container."},
			{Key: "read_only", Type: resources.Bool(), Default: false, Example: "true", Other: "false", Doc: "Nothing can be written through it."},
			{Key: "bind", Type: resources.Object{What: "options of a bind mount", Fields: []resources.Field{
				{Key: "propagation", Type: resources.Enum("rprivate", "private", "rshared", "shared", "rslave", "slave"), Default: "rprivate",
					Example: "rslave", Other: "shared", Doc: "How mounts below it are passed on."},
				{Key: "create_host_path", Type: resources.Bool(), Default: true, Unmarked: true, Example: "false", Other: "true",
					Doc: "Makes a missing source a folder. With false it is an error."},
				{Key: "recursive", Type: resources.Enum("enabled", "disabled", "writable", "readonly"), Default: "enabled", Example: "disabled",
					Other: "writable", Doc: "Whether mounts below the source come along, and whether read-only holds for them too; `writable` and " +
						"`readonly` need API 1.44."},
				{Key: "selinux", Type: resources.Enum("z", "Z"), Example: "z", Other: "Z",
					Doc: "Relabels the source for SELinux: z for several containers, Z for this one only."},
			}}, Example: "{propagation: rslave}", Other: "{recursive: disabled}", Doc: "Options of a bind mount."},
			{Key: "volume", Type: resources.Object{What: "options of a volume mount", Fields: []resources.Field{
				{Key: "nocopy", Type: resources.Bool(), Default: false, Example: "true", Other: "false",
					Doc: "Do not fill an empty volume with what the image has at the target."},
				{Key: "subpath", Type: resources.String(), Since: "1.45", Example: "data", Other: "logs",
					Doc: "Mounts only this folder of the volume."},
			}, Refused: map[string]string{"labels": "write them at the volume, under the top-level `volumes`"}}, Example: "{nocopy: true}",
				Other: "{subpath: data}", Doc: "Options of a volume mount."},
			{Key: "tmpfs", Type: resources.Object{What: "options of a tmpfs mount", Fields: []resources.Field{
				{Key: "size", Type: sizeType, Example: "64m", Other: "128m", Doc: "How much it can hold."},
				{Key: "mode", Type: modeType, Example: "\"1777\"", Other: "\"0700\"", Doc: "Permissions of its root, octal."},
			}}, Example: "{size: 64m}", Other: "{mode: \"0700\"}", Doc: "Options of a tmpfs mount."},
		},
		Refused: map[string]string{
			"consistency": "it has no effect on Linux; leave it out",
			"image":       "mounts of images are not supported; copy the content into a volume with a job",
		},
	},
}

// sizeType is a size of which 0 means "not declared".
var sizeType = refined{resources.Bytes(), func(v resources.Value) (resources.Value, error) {
	switch resources.ParseBytes(v) {
	case 0:
		return nil, nil
	case -1:
		return nil, errors.New("expected a size such as 64m")
	}
	return v, nil
}}

// modeType is a number of permission bits, written octal.
var modeType = resources.Checked("permissions such as \"0644\"", func(s string) (string, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "0o"), 8, 12)
	if err != nil {
		return "", errors.New("it must be an octal number up to 7777; write it in quotes")
	}
	return showMode(int64(n)), nil
})

func mountTarget(s string) (string, error) {
	if !strings.HasPrefix(s, "/") {
		return "", errors.New("it must begin with /")
	}
	if s = path.Clean(s); s == "/" {
		return "", errors.New("nothing can be mounted over the root")
	}
	return s, nil
}

var volumeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// isPath tells a path on the host from the name of a volume.
func isPath(source string) bool {
	return strings.HasPrefix(source, "/") || strings.HasPrefix(source, ".") || strings.HasPrefix(source, "~")
}

func shortMount(text string) (map[string]any, error) {
	parts := strings.Split(text, ":")
	v := map[string]any{}
	switch len(parts) {
	case 1:
		v["type"], v["target"] = "volume", parts[0]
	case 2, 3:
		v["source"], v["target"] = parts[0], parts[1]
	default:
		return nil, errors.New("it has too many colons; write it as a map")
	}
	target, err := mountTarget(resources.Text(v["target"]))
	if err != nil {
		return nil, fmt.Errorf("the target: %w", err)
	}
	v["target"] = target
	if len(parts) < 3 {
		return v, nil
	}
	bind, vol := map[string]any{}, map[string]any{}
	for _, o := range strings.Split(parts[2], ",") {
		switch o {
		case "rw":
		case "ro":
			v["read_only"] = true
		case "z", "Z":
			bind["selinux"] = o
		case "nocopy":
			vol["nocopy"] = true
		case "rprivate", "private", "rshared", "shared", "rslave", "slave":
			bind["propagation"] = o
		case "cached", "delegated", "consistent":
			return nil, errors.New("option cached, delegated or consistent has no effect on Linux; leave it out")
		default:
			return nil, errors.New("an option after the target is none of ro, rw, z, Z, nocopy, or a propagation")
		}
	}
	if len(bind) > 0 {
		v["bind"] = bind
	}
	if len(vol) > 0 {
		v["volume"] = vol
	}
	return v, nil
}

func finishMount(v map[string]any) error {
	source := resources.Text(v["source"])
	if v["type"] == nil {
		v["type"] = "volume"
		if isPath(source) {
			v["type"] = "bind"
		}
	}
	kind := resources.Text(v["type"])
	v["type"] = kind // a one-line form with a secret in it is sealed as a whole
	for _, options := range []string{"bind", "volume", "tmpfs"} {
		if v[options] != nil && options != kind {
			return fmt.Errorf("options under %q do not fit a mount of type %s", options, kind)
		}
	}
	switch {
	case kind == "bind" && !isPath(source):
		return errors.New("the source of a bind mount is a path: begin it with /, ./ or ~/")
	case kind == "volume" && isPath(source):
		return errors.New("the source of a volume is its name in the spec; write type: bind for a path")
	case kind == "volume" && source != "" && !volumeName.MatchString(source):
		return errors.New("the source is no name of a volume; a path begins with /, ./ or ~/")
	case kind == "tmpfs" && source != "":
		return errors.New("a tmpfs has no source")
	}
	drop(v, map[string]any{"read_only": false, "source": ""})
	drop(mapOf(v["bind"]), map[string]any{"propagation": "rprivate", "recursive": "enabled", "create_host_path": true})
	drop(mapOf(v["volume"]), map[string]any{"nocopy": false, "subpath": ""})
	drop(mapOf(v["tmpfs"]), map[string]any{"size": nil, "mode": "0000"})
	drop(v, map[string]any{"bind": nil, "volume": nil, "tmpfs": nil})
	return nil
}

// bareMounts leaves out what only says how to make a mount.
func bareMounts(v resources.Value) resources.Value {
	out := map[string]any{}
	for target, e := range mapOf(v) {
		m := cloneMap(mapOf(e))
		if bind := mapOf(m["bind"]); bind != nil {
			bind = cloneMap(bind)
			delete(bind, "create_host_path")
			if m["bind"] = bind; len(bind) == 0 {
				delete(m, "bind")
			}
		}
		out[target] = m
	}
	return out
}

func cloneMap(m map[string]any) map[string]any {
	out := make(map[string]any, len(m)+1)
	for k, v := range m {
		out[k] = v
	}
	return out
}

// sendMounts uses the mounts of the API, which the engine keeps as sent; the
// older form is used for what only it can say: creating a missing path below
// API 1.42, and SELinux labels.
func sendMounts(d *draft, v resources.Value) {
	all := mapOf(v)
	for _, target := range sortedKeys(all) {
		m := resources.Config(mapOf(all[target]))
		bind, vol, tmpfs := resources.Config(m.Map("bind")), resources.Config(m.Map("volume")), resources.Config(m.Map("tmpfs"))
		create := m.Text("type") == "bind" && bind["create_host_path"] != false
		if bind["selinux"] != nil || create && bind["recursive"] == nil && !dockerapi.AtLeast(d.facts.API, "1.42") {
			d.host.Binds = append(d.host.Binds, bindText(m, bind))
			continue
		}
		out := mount.Mount{Type: mount.Type(m.Text("type")), Source: m.Text("source"), Target: target, ReadOnly: m.Bool("read_only")}
		switch out.Type {
		case mount.TypeVolume:
			out.Source = engineVolume(m)
			if len(vol) > 0 {
				out.VolumeOptions = &mount.VolumeOptions{NoCopy: vol.Bool("nocopy"), Subpath: vol.Text("subpath")}
			}
		case mount.TypeBind:
			o := mount.BindOptions{Propagation: mount.Propagation(bind.Text("propagation")), CreateMountpoint: create}
			switch bind.Text("recursive") {
			case "disabled":
				o.NonRecursive = true
			case "writable":
				o.ReadOnlyNonRecursive = true
			case "readonly":
				o.ReadOnlyForceRecursive = true
			}
			if o != (mount.BindOptions{}) {
				out.BindOptions = &o
			}
		case mount.TypeTmpfs:
			if len(tmpfs) > 0 {
				mode, _ := strconv.ParseUint(tmpfs.Text("mode"), 8, 32)
				out.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: resources.ParseBytes(tmpfs["size"]), Mode: os.FileMode(mode)}
			}
		}
		d.host.Mounts = append(d.host.Mounts, out)
	}
}

// engineVolume returns the name of the mount's volume on the engine, "" for an
// anonymous one.
func engineVolume(m resources.Config) string {
	if name := m.Text("name"); name != "" {
		return name
	}
	return m.Text("source")
}

func bindText(m, bind resources.Config) string {
	text := m.Text("source") + ":" + m.Text("target")
	var options []string
	if m.Bool("read_only") {
		options = append(options, "ro")
	}
	for _, k := range []string{"selinux", "propagation"} {
		if o := bind.Text(k); o != "" {
			options = append(options, o)
		}
	}
	if len(options) > 0 {
		text += ":" + strings.Join(options, ",")
	}
	return text
}

// anonymousName matches names that the engine gives to anonymous volumes.
var anonymousName = regexp.MustCompile(`^[0-9a-f]{64}$`)

func seenMounts(s *sight) resources.Value {
	found := map[string]map[string]any{}
	for target := range s.c.Config.Volumes {
		found[path.Clean(target)] = map[string]any{"type": "volume", "target": path.Clean(target)}
	}
	for _, text := range s.c.HostConfig.Binds {
		if m, err := shortMount(text); err == nil {
			if isPath(resources.Text(m["source"])) {
				m["type"] = "bind"
			} else {
				m["type"], m["name"] = "volume", m["source"]
			}
			_ = finishMount(m)
			found[m["target"].(string)] = m
		}
	}
	for i := range s.c.HostConfig.Mounts {
		m := mountValue(&s.c.HostConfig.Mounts[i])
		found[m["target"].(string)] = m
	}
	declared := mapOf(s.config()["volumes"])
	out := map[string]any{}
	for target, m := range found {
		want, isDeclared := declared[target]
		name := resources.Text(m["name"])
		if m["type"] == "volume" && (name == "" || anonymousName.MatchString(name)) {
			if !isDeclared && s.fromImage(target) || s.coveredByTmpfs(target) {
				continue
			}
			if isDeclared && mapOf(want)["source"] != nil && name != "" {
				m["source"] = name // an anonymous one in place of the named one
			} else {
				delete(m, "name")
				delete(m, "source")
			}
		} else if m["type"] == "volume" {
			m["source"] = s.volumeKey(target, name)
		}
		out[target] = m
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// fromImage reports whether the image declares a volume there. An image that
// is gone may have.
func (s *sight) fromImage(target string) bool {
	if s.image == nil {
		return mapOf(s.before("volumes"))[target] == nil
	}
	for v := range s.image.Volumes {
		if path.Clean(v) == target {
			return true
		}
	}
	return false
}

func (s *sight) coveredByTmpfs(target string) bool {
	for p := range s.c.HostConfig.Tmpfs {
		if path.Clean(p) == target {
			return true
		}
	}
	return false
}

// volumeKey returns the spec's key of the volume that is mounted: as wanted
// for this target or another, or as last applied; else its name.
func (s *sight) volumeKey(target, name string) resources.Value {
	for _, mounts := range []map[string]any{mapOf(s.config()["volumes"]), mapOf(s.before("volumes"))} {
		for _, t := range append([]string{target}, sortedKeys(mounts)...) {
			if m := mapOf(mounts[t]); m != nil && resources.Equal(m["name"], name) && m["source"] != nil {
				return m["source"]
			}
		}
	}
	return name
}

func mountValue(m *mount.Mount) map[string]any {
	v := map[string]any{"type": string(m.Type), "target": path.Clean(m.Target)}
	if m.ReadOnly {
		v["read_only"] = true
	}
	switch m.Type {
	case mount.TypeVolume:
		if m.Source != "" {
			v["name"], v["source"] = m.Source, m.Source
		}
		if o := m.VolumeOptions; o != nil {
			options := map[string]any{}
			if o.NoCopy {
				options["nocopy"] = true
			}
			if o.Subpath != "" {
				options["subpath"] = o.Subpath
			}
			v["volume"] = options
		}
	case mount.TypeBind:
		v["source"] = path.Clean(m.Source)
		if o := m.BindOptions; o != nil {
			options := map[string]any{}
			if o.Propagation != "" && o.Propagation != mount.PropagationRPrivate {
				options["propagation"] = string(o.Propagation)
			}
			switch {
			case o.NonRecursive:
				options["recursive"] = "disabled"
			case o.ReadOnlyNonRecursive:
				options["recursive"] = "writable"
			case o.ReadOnlyForceRecursive:
				options["recursive"] = "readonly"
			}
			v["bind"] = options
		}
	case mount.TypeTmpfs:
		if o := m.TmpfsOptions; o != nil {
			options := map[string]any{}
			if o.SizeBytes != 0 {
				options["size"] = resources.ShowBytes(o.SizeBytes)
			}
			if o.Mode != 0 {
				options["mode"] = showMode(int64(o.Mode))
			}
			v["tmpfs"] = options
		}
	default:
		if m.Source != "" {
			v["source"] = m.Source
		}
	}
	drop(v, map[string]any{"bind": nil, "volume": nil, "tmpfs": nil})
	return v
}

// tmpfsType is one path or several, each with options; the canonical value is
// a map from path to options.
var tmpfsType = refined{resources.OneOrMore(resources.Checked("an absolute path, with :OPTIONS if wanted", func(s string) (string, error) {
	target, options, _ := strings.Cut(s, ":")
	target, err := mountTarget(target)
	if err != nil {
		return "", err
	}
	return target + ":" + canonicalOptions(options), nil
})), func(v resources.Value) (resources.Value, error) {
	out := map[string]any{}
	for _, e := range v.([]any) {
		target, options, _ := strings.Cut(resources.Text(e), ":")
		if _, twice := out[target]; twice {
			return nil, errors.New("two temporary file systems have the same path")
		}
		out[target] = options
	}
	return out, nil
}}

// canonicalOptions sorts options separated by commas.
func canonicalOptions(s string) string {
	if s == "" {
		return ""
	}
	options := strings.Split(s, ",")
	slices.Sort(options)
	return strings.Join(slices.Compact(options), ",")
}

func shortDevice(text string) (map[string]any, error) {
	parts := strings.Split(text, ":")
	if len(parts) > 3 || parts[0] == "" {
		return nil, errMalformed
	}
	v := map[string]any{"source": parts[0]}
	if len(parts) > 1 {
		v["target"] = parts[1]
	}
	if len(parts) > 2 {
		v["permissions"] = parts[2]
	} else if len(parts) == 2 && regexp.MustCompile(`^[rwm]+$`).MatchString(parts[1]) {
		v["target"], v["permissions"] = parts[0], parts[1]
	}
	return v, nil
}

// finishDevice fills in what the engine would only miss at start.
func finishDevice(v map[string]any) error {
	source := resources.Text(v["source"])
	if !strings.HasPrefix(source, "/") {
		return errors.New("the device must be a path on the engine's host; devices by name (CDI) are not supported")
	}
	if resources.Text(v["target"]) == "" {
		v["target"] = source
	}
	if v["permissions"] == nil || v["permissions"] == "" {
		v["permissions"] = "rwm"
	}
	letters := ""
	for _, l := range "rwm" {
		if strings.ContainsRune(resources.Text(v["permissions"]), l) {
			letters += string(l)
		}
	}
	if letters == "" {
		return errors.New("the permissions are letters of rwm")
	}
	v["permissions"] = letters
	return nil
}
