package docker

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/blkiodev"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-units"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// limitRows are limits of processor, memory, processes and block devices, and
// the restart policy: what the engine changes on a living container. Those are
// compared by value also when they are not declared, since anyone can change
// them.
var limitRows = []row{
	{
		Field: resources.Field{Key: "restart", Type: restartType, Default: "no", Cost: resources.InPlace,
			Doc:     "What the engine does when the process ends: `no`, `always`, `unless-stopped`, `on-failure` or `on-failure:COUNT`.",
			Example: "unless-stopped", Other: "on-failure:3"},
		send: func(d *draft, v resources.Value) { d.host.RestartPolicy = restartPolicy(resources.Text(v)) },
		seen: func(s *sight) resources.Value { return showRestart(s.c.HostConfig.RestartPolicy) },
		update: func(u *container.UpdateConfig, c resources.Config) {
			u.RestartPolicy = restartPolicy(orDefault(c.Text("restart"), "no"))
		},
	},
	{
		Field: resources.Field{Key: "mem_limit", Type: refined{resources.Bytes(), memoryAtLeast6m}, Default: "0", Cost: resources.InPlace,
			Doc: "How much memory it may use, at least 6m; 0 is no limit.", Example: "64m", Other: "128m"},
		send:   func(d *draft, v resources.Value) { d.host.Memory = resources.ParseBytes(v) },
		seen:   hostBytes(func(h *container.HostConfig) int64 { return h.Memory }),
		update: updateMemory,
	},
	{
		Field: resources.Field{Key: "memswap_limit", Type: refined{resources.Bytes(), zeroIsNone}, Cost: resources.InPlace,
			Doc:     "How much memory and swap together it may use; -1 is no limit. With only `mem_limit` given the engine allows twice that.",
			Example: "256m", Other: "512m", With: "{mem_limit: 64m}"},
		send:   func(d *draft, v resources.Value) { d.host.MemorySwap = resources.ParseBytes(v) },
		seen:   seenSwap,
		update: updateMemory,
	},
	{
		Field: resources.Field{Key: "mem_reservation", Type: refined{resources.Bytes(), notNegative}, Default: "0", Cost: resources.InPlace,
			Doc: "How much memory it is pressed down to when the host has little left.", Example: "32m", Other: "48m"},
		send: func(d *draft, v resources.Value) { d.host.MemoryReservation = resources.ParseBytes(v) },
		seen: hostBytes(func(h *container.HostConfig) int64 { return h.MemoryReservation }),
		update: func(u *container.UpdateConfig, c resources.Config) {
			u.MemoryReservation = resources.ParseBytes(c["mem_reservation"])
		},
	},
	{
		Field: resources.Field{Key: "mem_swappiness", Type: resources.Int(0, 100), Cost: resources.Remake,
			Doc: "How readily its memory is swapped out, from 0 to 100. The host's setting holds when it is not given. Hosts with cgroup v2 do " +
				"not have it.", Example: "10", Other: "60"},
		send: func(d *draft, v resources.Value) { n := v.(int64); d.host.MemorySwappiness = &n },
		seen: func(s *sight) resources.Value {
			if n := s.c.HostConfig.MemorySwappiness; n != nil && *n >= 0 {
				return *n
			}
			return s.discarded("mem_swappiness", s.facts.Info.CgroupVersion == "2")
		},
	},
	{
		Field: resources.Field{Key: "oom_kill_disable", Type: resources.Bool(), Default: false, Cost: resources.Remake,
			Doc: "Do not kill its processes when memory runs out; they then hang. Hosts with cgroup v2 do not have it.", Example: "true",
			Other: "false"},
		send: func(d *draft, v resources.Value) { on := v == true; d.host.OomKillDisable = &on },
		seen: func(s *sight) resources.Value {
			if on := s.c.HostConfig.OomKillDisable; on != nil && *on {
				return true
			}
			if v := s.discarded("oom_kill_disable", !s.facts.Info.OomKillDisable); v != nil {
				return v
			}
			return false
		},
	},
	{
		Field: resources.Field{Key: "cpus", Type: refined{resources.Float(0), roundCPUs}, Default: float64(0), Cost: resources.InPlace,
			Doc: "How many processors it may use, in parts too; 0 is no limit. Not together with `cpu_quota`.", Example: "0.5", Other: "1.5"},
		send:   func(d *draft, v resources.Value) { d.host.NanoCPUs = nanoCPUs(v) },
		seen:   func(s *sight) resources.Value { return float64(s.c.HostConfig.NanoCPUs) / 1e9 },
		update: func(u *container.UpdateConfig, c resources.Config) { u.NanoCPUs = nanoCPUs(c["cpus"]) },
	},
	{
		Field: resources.Field{Key: "cpu_quota", Type: microsType(-1), Default: int64(0), Cost: resources.InPlace,
			Doc: "Processor time in each `cpu_period`, in microseconds or as a duration.", Example: "50000", Other: "25ms"},
		send: func(d *draft, v resources.Value) { d.host.CPUQuota = v.(int64) },
		seen: hostInt(func(h *container.HostConfig) int64 { return max(h.CPUQuota, 0) }),
		update: func(u *container.UpdateConfig, c resources.Config) {
			if u.CPUQuota = c.Int("cpu_quota"); u.CPUQuota == 0 {
				u.CPUQuota = -1 // 0 would mean "leave"
			}
		},
	},
	{
		Field: resources.Field{Key: "cpu_period", Type: microsType(0), Default: int64(0), Cost: resources.InPlace,
			Doc:     "The period of `cpu_quota`, in microseconds or as a duration, from 1ms to 1s; the kernel takes 100ms when it is not given.",
			Example: "50000", Other: "20ms"},
		send:   func(d *draft, v resources.Value) { d.host.CPUPeriod = v.(int64) },
		seen:   hostInt(func(h *container.HostConfig) int64 { return h.CPUPeriod }),
		update: func(u *container.UpdateConfig, c resources.Config) { u.CPUPeriod = c.Int("cpu_period") },
	},
	{
		Field: resources.Field{Key: "cpu_shares", Type: resources.Int(0, math.MaxInt64), Default: int64(0), Cost: resources.InPlace,
			Doc: "Its weight when processors are short; 1024 is what others have.", Example: "512", Other: "256"},
		send:   func(d *draft, v resources.Value) { d.host.CPUShares = v.(int64) },
		seen:   hostInt(func(h *container.HostConfig) int64 { return h.CPUShares }),
		update: func(u *container.UpdateConfig, c resources.Config) { u.CPUShares = c.Int("cpu_shares") },
	},
	{
		Field: resources.Field{Key: "cpuset", Type: cpuList, Default: "", Cost: resources.InPlace,
			Doc: "Which processors it may use, as in `0-2,4`.", Example: "\"0\"", Other: "0-1"},
		send:   func(d *draft, v resources.Value) { d.host.CpusetCpus = resources.Text(v) },
		seen:   func(s *sight) resources.Value { return s.c.HostConfig.CpusetCpus },
		update: func(u *container.UpdateConfig, c resources.Config) { u.CpusetCpus = c.Text("cpuset") },
	},
	{
		Field: resources.Field{Key: "cpuset_mems", Type: cpuList, Default: "", Cost: resources.InPlace,
			Doc: "Which memory nodes it may use, as in `0-1`. Compose has no such key.", Example: "\"0\"", Other: "0-1"},
		send:   func(d *draft, v resources.Value) { d.host.CpusetMems = resources.Text(v) },
		seen:   func(s *sight) resources.Value { return s.c.HostConfig.CpusetMems },
		update: func(u *container.UpdateConfig, c resources.Config) { u.CpusetMems = c.Text("cpuset_mems") },
	},
	{
		Field: resources.Field{Key: "cpu_rt_runtime", Type: microsType(0), Default: int64(0), Cost: resources.InPlace,
			Doc:     "Real-time processor time in each `cpu_rt_period`, in microseconds or as a duration. The engine must be set up for it.",
			Example: "950000", Other: "400ms"},
		send:   func(d *draft, v resources.Value) { d.host.CPURealtimeRuntime = v.(int64) },
		seen:   hostInt(func(h *container.HostConfig) int64 { return h.CPURealtimeRuntime }),
		update: func(u *container.UpdateConfig, c resources.Config) { u.CPURealtimeRuntime = c.Int("cpu_rt_runtime") },
	},
	{
		Field: resources.Field{Key: "cpu_rt_period", Type: microsType(0), Default: int64(0), Cost: resources.InPlace,
			Doc: "The period of `cpu_rt_runtime`, in microseconds or as a duration.", Example: "1000000", Other: "500ms"},
		send:   func(d *draft, v resources.Value) { d.host.CPURealtimePeriod = v.(int64) },
		seen:   hostInt(func(h *container.HostConfig) int64 { return h.CPURealtimePeriod }),
		update: func(u *container.UpdateConfig, c resources.Config) { u.CPURealtimePeriod = c.Int("cpu_rt_period") },
	},
	{
		Field: resources.Field{Key: "pids_limit", Type: refined{resources.Int(-1, math.MaxInt32), atLeastZero}, Default: int64(0),
			Cost: resources.InPlace,
			Doc:  "How many processes and threads it may have; 0 and -1 are no limit.", Example: "100", Other: "200"},
		send: func(d *draft, v resources.Value) {
			if n := v.(int64); n > 0 {
				d.host.PidsLimit = &n
			}
		},
		seen: func(s *sight) resources.Value {
			if n := s.c.HostConfig.PidsLimit; n != nil && *n > 0 {
				return *n
			}
			return int64(0)
		},
		update: func(u *container.UpdateConfig, c resources.Config) { n := c.Int("pids_limit"); u.PidsLimit = &n },
	},
	{
		Field: resources.Field{Key: "blkio_config", Type: blkioType, Cost: resources.Remake,
			Doc:     "Weight and limits for block devices. A change of `weight` alone is made in place.",
			Example: "{weight: 300}", Other: "{weight: 600}"},
		send: sendBlkio, seen: seenBlkio,
		update: func(u *container.UpdateConfig, c resources.Config) {
			w, _ := c.Map("blkio_config")["weight"].(int64)
			u.BlkioWeight = uint16(w)
		},
	},
	{
		Field: resources.Field{Key: "deploy", Type: deployType, Unseen: true, Unmarked: true,
			Doc:     "Only `resources`: other words for `cpus`, `mem_limit`, `pids_limit` and `mem_reservation`.",
			Example: "{resources: {limits: {cpus: \"0.5\", memory: 64m, pids: 100}, reservations: {memory: 32m}}}",
			Other:   "{resources: {limits: {memory: 128m}}}"},
	},
	{
		Field: resources.Field{Key: "ulimits", Type: ulimitsType{resources.MapOf(ulimitType)}, Cost: resources.Remake,
			Doc:     "Limits of the process, by name: one number, or a map with `soft` and `hard`.",
			Example: "{nofile: {soft: 20000, hard: 40000}, nproc: 65535}", Other: "{nofile: 30000}"},
		send: func(d *draft, v resources.Value) {
			for _, name := range sortedKeys(mapOf(v)) {
				m := resources.Config(mapOf(mapOf(v)[name]))
				d.host.Ulimits = append(d.host.Ulimits, &units.Ulimit{Name: name, Soft: m.Int("soft"), Hard: m.Int("hard")})
			}
		},
		seen: seenUlimits,
	},
}

// restartType is a restart policy. A count of zero is none.
var restartType = refined{resources.Pattern("no, always, unless-stopped, on-failure or on-failure:COUNT",
	`^(no|always|unless-stopped|on-failure(:[0-9]{1,6})?)$`),
	func(v resources.Value) (resources.Value, error) {
		if name, count, ok := strings.Cut(resources.Text(v), ":"); ok && strings.Trim(count, "0") == "" {
			return name, nil
		} else if ok {
			return name + ":" + strings.TrimLeft(count, "0"), nil
		}
		return v, nil
	}}

// discarded returns the wanted value of a field that this host cannot hold, so
// that it is no difference for ever; nil when the host can.
func (s *sight) discarded(key string, cannot bool) resources.Value {
	if !cannot {
		return nil
	}
	return s.config()[key]
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func restartPolicy(text string) container.RestartPolicy {
	name, count, _ := strings.Cut(text, ":")
	n, _ := strconv.Atoi(count)
	return container.RestartPolicy{Name: container.RestartPolicyMode(name), MaximumRetryCount: n}
}

func showRestart(p container.RestartPolicy) string {
	switch {
	case p.Name == "":
		return "no"
	case p.Name == container.RestartPolicyOnFailure && p.MaximumRetryCount > 0:
		return string(p.Name) + ":" + strconv.Itoa(p.MaximumRetryCount)
	default:
		return string(p.Name)
	}
}

func memoryAtLeast6m(v resources.Value) (resources.Value, error) {
	if b := resources.ParseBytes(v); b != 0 && b < 6*units.MiB {
		return nil, errors.New("expected at least 6m, the engine's minimum, or 0 for no limit")
	}
	return v, nil
}

func notNegative(v resources.Value) (resources.Value, error) {
	if resources.ParseBytes(v) < 0 {
		return nil, errors.New("expected a size such as 64m")
	}
	return v, nil
}

func zeroIsNone(v resources.Value) (resources.Value, error) {
	if resources.ParseBytes(v) == 0 {
		return nil, nil
	}
	return v, nil
}

// asksHost reports whether reading the limits needs to know what the host can
// do, because it decides whether the engine has dropped one.
func (s *sight) asksHost() bool {
	for _, key := range []string{"mem_swappiness", "oom_kill_disable"} {
		if s.declares(key) || s.applied.Has(key) {
			return true
		}
	}
	return s.c.HostConfig.MemorySwap == -1
}

// seenSwap leaves out what the engine fills in: twice the memory, or -1 where
// the kernel does not account for swap.
func seenSwap(s *sight) resources.Value {
	swap, memory := s.c.HostConfig.MemorySwap, s.c.HostConfig.Memory
	if swap == -1 && !s.facts.Info.SwapLimit {
		return s.config()["memswap_limit"] // the host cannot
	}
	filled := swap == 0 || swap == 2*memory || swap == -1 && memory == 0
	if wanted := resources.ParseBytes(s.config()["mem_limit"]); wanted > 0 && swap == 2*wanted {
		filled = true
	}
	v := resources.ShowBytes(swap)
	if !filled {
		return v
	}
	return s.natural("memswap_limit", v, v, true)
}

// updateMemory sends memory and swap together: alone, memory is refused when
// it exceeds the swap limit that the engine has recorded (moby#39541).
func updateMemory(u *container.UpdateConfig, c resources.Config) {
	u.Memory = resources.ParseBytes(c["mem_limit"])
	u.MemorySwap = 2 * u.Memory
	if v := c["memswap_limit"]; v != nil {
		u.MemorySwap = resources.ParseBytes(v)
	}
}

func roundCPUs(v resources.Value) (resources.Value, error) {
	f := v.(float64)
	if f > 1e6 {
		return nil, errors.New("expected a number of processors")
	}
	return math.Round(f*1e9) / 1e9, nil
}

func nanoCPUs(v resources.Value) int64 {
	f, _ := v.(float64)
	return int64(math.Round(f * 1e9))
}

func atLeastZero(v resources.Value) (resources.Value, error) { return max(v.(int64), 0), nil }

// microsType is a time in microseconds, or a duration.
func microsType(lo int64) resources.Type {
	return refined{resources.Checked("microseconds, or a duration such as 50ms", func(s string) (string, error) {
		s = strings.TrimSpace(s)
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			if n < lo {
				return "", errors.New("it is negative")
			}
			return strconv.FormatInt(max(n, 0), 10), nil
		}
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return "", errors.New("it is neither a number nor a duration")
		}
		return strconv.FormatInt(d.Microseconds(), 10), nil
	}), func(v resources.Value) (resources.Value, error) {
		n, err := strconv.ParseInt(resources.Text(v), 10, 64)
		return n, err
	}}
}

var cpuList = resources.Checked("a list such as 0-2,4", func(s string) (string, error) {
	s = strings.ReplaceAll(s, " ", "")
	if s != "" && !regexp.MustCompile(`^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$`).MatchString(s) {
		return "", errors.New("it holds numbers, ranges and commas only")
	}
	return s, nil
})

var blkioType = resources.Object{
	What: "a configuration of block devices",
	Fields: []resources.Field{
		{Key: "weight", Type: resources.Int(0, 1000), Cost: resources.InPlace, Example: "300", Other: "600",
			Doc: "Its share of all devices' time, from 10 to 1000."},
		{Key: "weight_device", Type: perDevice("weight", resources.Int(10, 1000)), Example: "[{path: /dev/sda, weight: 400}]",
			Other: "[{path: /dev/sdb, weight: 500}]", Doc: "Its share of single devices."},
		{Key: "device_read_bps", Type: perDevice("rate", bytesNumber), Example: "[{path: /dev/sda, rate: 12mb}]",
			Other: "[{path: /dev/sda, rate: 1g}]", Doc: "Bytes read in a second."},
		{Key: "device_read_iops", Type: perDevice("rate", resources.Int(0, math.MaxInt64)), Example: "[{path: /dev/sda, rate: 120}]",
			Other: "[{path: /dev/sda, rate: 60}]", Doc: "Read operations in a second."},
		{Key: "device_write_bps", Type: perDevice("rate", bytesNumber), Example: "[{path: /dev/sda, rate: 1g}]",
			Other: "[{path: /dev/sda, rate: 12mb}]", Doc: "Bytes written in a second."},
		{Key: "device_write_iops", Type: perDevice("rate", resources.Int(0, math.MaxInt64)), Example: "[{path: /dev/sda, rate: 30}]",
			Other: "[{path: /dev/sda, rate: 60}]", Doc: "Write operations in a second."},
	},
	Finish: func(v map[string]any) error {
		drop(v, map[string]any{"weight": int64(0)})
		if w, ok := v["weight"].(int64); ok && w < 10 {
			return errors.New("weight is from 10 to 1000, or 0 for none")
		}
		return nil
	},
}

// bytesNumber is a size whose canonical value is the number of bytes.
var bytesNumber = refined{resources.Bytes(), func(v resources.Value) (resources.Value, error) { return resources.ParseBytes(v), nil }}

// perDevice is a list of {path, KEY}; its canonical value is a map from path
// to number.
func perDevice(key string, number resources.Type) resources.Type {
	list := resources.Keyed{
		Key: func(v map[string]any) string { return resources.Text(v["path"]) },
		Elem: resources.Object{What: "a device's limit", Fields: []resources.Field{
			{Key: "path", Type: resources.Checked("a path of a device", absolutePath), Required: true, Example: "/dev/sda", Other: "/dev/sdb",
				Doc: "the device on the host."},
			{Key: key, Type: number, Required: true, Example: "100", Other: "200", Doc: "the limit."},
		}},
	}
	return refined{list, func(v resources.Value) (resources.Value, error) {
		out := map[string]any{}
		for path, m := range mapOf(v) {
			out[path] = mapOf(m)[key]
		}
		return out, nil
	}}
}

func sendBlkio(d *draft, v resources.Value) {
	m := resources.Config(mapOf(v))
	d.host.BlkioWeight = uint16(m.Int("weight"))
	for _, path := range sortedKeys(m.Map("weight_device")) {
		n, _ := m.Map("weight_device")[path].(int64)
		d.host.BlkioWeightDevice = append(d.host.BlkioWeightDevice, &blkiodev.WeightDevice{Path: path, Weight: uint16(n)})
	}
	d.host.BlkioDeviceReadBps = throttles(m.Map("device_read_bps"))
	d.host.BlkioDeviceReadIOps = throttles(m.Map("device_read_iops"))
	d.host.BlkioDeviceWriteBps = throttles(m.Map("device_write_bps"))
	d.host.BlkioDeviceWriteIOps = throttles(m.Map("device_write_iops"))
}

func throttles(m map[string]any) []*blkiodev.ThrottleDevice {
	var out []*blkiodev.ThrottleDevice
	for _, path := range sortedKeys(m) {
		n, _ := m[path].(int64)
		out = append(out, &blkiodev.ThrottleDevice{Path: path, Rate: uint64(n)})
	}
	return out
}

func seenBlkio(s *sight) resources.Value {
	h := s.c.HostConfig
	out := map[string]any{}
	if h.BlkioWeight != 0 {
		out["weight"] = int64(h.BlkioWeight)
	}
	weights := map[string]any{}
	for _, w := range h.BlkioWeightDevice {
		weights[w.Path] = int64(w.Weight)
	}
	out["weight_device"] = weights
	for key, list := range map[string][]*blkiodev.ThrottleDevice{
		"device_read_bps": h.BlkioDeviceReadBps, "device_read_iops": h.BlkioDeviceReadIOps,
		"device_write_bps": h.BlkioDeviceWriteBps, "device_write_iops": h.BlkioDeviceWriteIOps,
	} {
		rates := map[string]any{}
		for _, t := range list {
			rates[t.Path] = int64(t.Rate)
		}
		out[key] = rates
	}
	out = compact(out)
	if out == nil {
		return nil
	}
	return out
}

var ulimitType = resources.Object{
	What: "a limit", ShortDoc: "NUMBER",
	Short: func(text string) (map[string]any, error) {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || n < -1 {
			return nil, errors.New("it is no number of at least -1")
		}
		return map[string]any{"soft": n, "hard": n}, nil
	},
	Fields: []resources.Field{
		{Key: "soft", Type: resources.Int(-1, math.MaxInt64), Required: true, Example: "20000", Other: "1000", Doc: "the limit that holds."},
		{Key: "hard", Type: resources.Int(-1, math.MaxInt64), Required: true, Example: "40000", Other: "50000",
			Doc: "how far the process may raise it."},
	},
	Finish: func(v map[string]any) error {
		soft, hard := v["soft"].(int64), v["hard"].(int64)
		if hard != -1 && (soft > hard || soft == -1) {
			return errors.New("soft is greater than hard")
		}
		return nil
	},
}

// ulimitsType are limits by name; the engine refuses names it does not know.
type ulimitsType struct{ resources.Type }

var ulimitNames = []string{"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
	"rttime", "sigpending", "stack"}

// Decode decodes the limits and looks at their names.
func (t ulimitsType) Decode(n specs.Node, report resources.Report) (resources.Value, bool) {
	v, ok := t.Type.Decode(n, report)
	for _, e := range n.Entries() {
		if !slices.Contains(ulimitNames, e.Key) {
			hint := specs.DidYouMean(e.Key, ulimitNames)
			report(resources.RuleValue.At(e.KeyPos, fmt.Sprintf("the engine knows no limit called %q", e.Key), hint))
			ok = false
		}
	}
	return v, ok
}

// seenUlimits leaves out names that are neither declared nor were applied:
// they are the daemon's, which newer engines show on every container.
func seenUlimits(s *sight) resources.Value {
	declared, before := mapOf(s.config()["ulimits"]), mapOf(s.before("ulimits"))
	out := map[string]any{}
	for _, u := range s.c.HostConfig.Ulimits {
		_, isDeclared := declared[u.Name]
		_, wasApplied := before[u.Name]
		if isDeclared || wasApplied {
			out[u.Name] = map[string]any{"soft": u.Soft, "hard": u.Hard}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// deployType is the part of Compose's deploy that has a meaning on one engine.
var deployType = resources.Object{
	What: "deploy",
	Fields: []resources.Field{{Key: "resources", Example: "{limits: {memory: 64m}}", Other: "{reservations: {memory: 32m}}",
		Doc: "Limits and reservations.", Type: resources.Object{
			What: "resources",
			Fields: []resources.Field{
				{Key: "limits", Example: "{memory: 64m}", Other: "{cpus: \"1\"}", Doc: "What it may use at most.",
					Type: resources.Object{What: "limits", Fields: []resources.Field{
						{Key: "cpus", Type: refined{resources.Float(0), roundCPUs}, Example: "\"0.5\"", Other: "\"1.5\"", Doc: "The same as `cpus`."},
						{Key: "memory", Type: refined{resources.Bytes(), memoryAtLeast6m}, Example: "64m", Other: "128m", Doc: "The same as `mem_limit`."},
						{Key: "pids", Type: refined{resources.Int(-1, math.MaxInt32), atLeastZero}, Example: "100", Other: "200",
							Doc: "The same as `pids_limit`."},
					}}},
				{Key: "reservations", Example: "{memory: 32m}", Other: "{memory: 64m}", Doc: "What is kept for it.",
					Type: resources.Object{What: "reservations", Fields: []resources.Field{
						{Key: "memory", Type: refined{resources.Bytes(), notNegative}, Example: "32m", Other: "128m", Doc: "The same as `mem_reservation`."},
					}, Refused: map[string]string{
						"cpus":              "one engine reserves no processors; leave it out, or give it more `cpu_shares` than others",
						"devices":           "devices by capability (GPUs) are not supported yet; write `devices`",
						"generic_resources": "it belongs to a cluster",
					}}},
			},
		}}},
	Refused: map[string]string{
		"replicas":        "a service is one container; write several services with an anchor",
		"mode":            "it belongs to a cluster; a service that runs once is a job",
		"restart_policy":  "write `restart` at the service",
		"update_config":   "write `update: {order: start_first}` at the service",
		"rollback_config": "a replacement that fails is always put back",
		"placement":       "there is one host",
		"endpoint_mode":   "it belongs to a cluster",
		"labels":          "they belong to a cluster; write `labels` at the service",
	},
}

// deployed says which field each part of deploy stands for.
var deployed = []struct{ group, key, field string }{
	{"limits", "cpus", "cpus"}, {"limits", "memory", "mem_limit"}, {"limits", "pids", "pids_limit"},
	{"reservations", "memory", "mem_reservation"},
}
