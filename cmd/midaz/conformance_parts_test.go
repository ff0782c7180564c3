//go:build e2e

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/LerianStudio/midaz-infra/engine/enginetest"
)

// parts say how the keys inside the rows of a kind are tried. Those of jobs are
// those of services.
func (c *conformance) parts(t *testing.T, kind string) *enginetest.Parts {
	switch kind {
	case "network":
		return networkParts()
	case "image":
		return imageParts(t)
	case "service":
		return c.serviceParts(t)
	}
	return nil
}

func networkParts() *enginetest.Parts {
	pool := func(first, second, without string) [3]string {
		return [3]string{"{config: [{" + first + "}]}", "{config: [{" + second + "}]}", without}
	}
	const subnet = "subnet: 10.214.7.0/24"
	const bare = "{config: [{" + subnet + "}]}"
	return &enginetest.Parts{
		Values: map[string][3]string{
			"ipam.options":              {"{options: {a: b}}", "{options: {a: c}}", ""},
			"ipam.config":               pool("subnet: 10.214.7.0/24", "subnet: 10.214.8.0/24", ""),
			"ipam.config.subnet":        pool("subnet: 10.214.7.0/24", "subnet: 10.214.8.0/24", ""),
			"ipam.config.gateway":       pool(subnet+", gateway: 10.214.7.9", subnet+", gateway: 10.214.7.10", bare),
			"ipam.config.ip_range":      pool(subnet+", ip_range: 10.214.7.128/25", subnet+", ip_range: 10.214.7.64/26", bare),
			"ipam.config.aux_addresses": pool(subnet+", aux_addresses: {router: 10.214.7.5}", subnet+", aux_addresses: {router: 10.214.7.6}", bare),
		},
		Shows: map[string]string{"ipam.options": "ipam", "ipam.config": "ipam", "ipam.config.subnet": "ipam"},
		Skip:  map[string]string{"ipam.driver": "it needs another driver"},
	}
}

func imageParts(t *testing.T) *enginetest.Parts {
	var contexts [2]string
	for i := range contexts {
		contexts[i] = t.TempDir()
		for _, name := range []string{"one", "two"} {
			text := fmt.Sprintf("FROM %s\nLABEL text=%s%d\n", conformanceImage, name, i)
			if err := os.WriteFile(filepath.Join(contexts[i], name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	const base = "dockerfile_inline: \"FROM " + conformanceImage
	const bare = "{" + base + "\"}"
	with := func(first, second string) [3]string {
		return [3]string{"{" + base + "\", " + first + "}", "{" + base + "\", " + second + "}", bare}
	}
	stages := "{" + base + " AS one\\nLABEL a=b\\nFROM " + conformanceImage + " AS two\\nLABEL a=c\""
	args := "{" + base + "\\nARG A\\nLABEL a=$A\""
	copies := "{" + base + "\\nCOPY one /one\""
	return &enginetest.Parts{
		Values: map[string][3]string{
			"build.context":           {copies + ", context: " + contexts[0] + "}", copies + ", context: " + contexts[1] + "}", bare},
			"build.dockerfile":        {"{dockerfile: one, context: " + contexts[0] + "}", "{dockerfile: two, context: " + contexts[0] + "}", bare},
			"build.dockerfile_inline": {buildOf("one"), buildOf("two"), bare},
			"build.args":              {args + ", args: {A: \"1\"}}", args + ", args: [A=2]}", args + "}"},
			"build.target":            {stages + ", target: one}", stages + ", target: two}", stages + "}"},
			"build.labels":            with("labels: {a: b}", "labels: [a=c]"),
			"build.cache_from":        with("cache_from: [\""+conformanceImage+"\"]", "cache_from: [\""+otherImage+"\"]"),
			"build.network":           with("network: host", "network: none"),
			"build.no_cache":          with("no_cache: true", "no_cache: false"),
			"build.extra_hosts":       with("extra_hosts: [\"db:10.0.0.5\"]", "extra_hosts: {db: 10.0.0.6}"),
			"build.shm_size":          with("shm_size: 64m", "shm_size: 128m"),
			"build.tags":              with("tags: [\"midaz-conf-tag:1\"]", "tags: [\"midaz-conf-tag:2\"]"),
		},
		Skip: map[string]string{"build.pull": "only a registry has newer ones"},
	}
}

func (c *conformance) serviceParts(t *testing.T) *enginetest.Parts {
	dir := t.TempDir()
	var files [2]string
	for i := range files {
		files[i] = filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(files[i], []byte(fmt.Sprintf("A=%d\n", i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	item := func(base string) func(first, second string) [3]string {
		return func(first, second string) [3]string {
			return [3]string{"[{" + base + ", " + first + "}]", "[{" + base + ", " + second + "}]", "[{" + base + "}]"}
		}
	}
	on := func(first, second string) [3]string {
		return [3]string{"{c: {" + first + "}}", "{c: {" + second + "}}", "{c: {}}"}
	}
	file, envFile, sourced := item("content: one, target: /etc/one"), item("path: "+files[0]), item("source: "+files[0]+", target: /etc/one")
	bind, volume, shelf, tmpfs := item("type: bind, source: /srv, target: /data"), item("type: volume, source: data, target: /data"),
		item("type: volume, source: shelf, target: /data"), item("type: tmpfs, target: /data")
	device := item("source: /dev/zero")
	p := &enginetest.Parts{
		Elsewhere: []string{"build"}, // the image's
		Names:     map[string]string{"networks": "a", "ulimits": "nofile"},
		Values: map[string][3]string{
			"env_file.path":              {"[{path: " + files[0] + "}]", "[{path: " + files[1] + "}]", ""},
			"env_file.required":          envFile("required: false", "required: true"),
			"env_file.format":            {"[{path: " + files[0] + ", format: raw}]", "[{path: " + files[0] + "}]", ""},
			"healthcheck.test":           {"{test: [CMD, test, -d, /]}", "{test: test -d /etc}", ""},
			"healthcheck.start_interval": {"{start_period: 5s, start_interval: 1s}", "{start_period: 5s, start_interval: 2s}", "{start_period: 5s}"},
			"healthcheck.disable":        {"{disable: true}", "{disable: false}", ""},
			"networks.ipv4_address":      on("ipv4_address: 10.214.9.10", "ipv4_address: 10.214.9.11"),
			"networks.ipv6_address":      on("ipv6_address: \"fd00:214:9::10\"", "ipv6_address: \"fd00:214:9::11\""),
			"ports.published":            item("target: 5432")(fmt.Sprintf("published: %d", freePort(t)), fmt.Sprintf("published: %d", freePort(t))),
			"ports.host_ip":              item("target: 5432")("host_ip: 127.0.0.1", "host_ip: 127.0.0.2"),
			"volumes.type":               {"[{type: tmpfs, target: /data}]", "[{type: volume, target: /data}]", ""},
			"volumes.source":             {"[{source: data, target: /data}]", "[{source: more, target: /data}]", "[{target: /data}]"},
			"volumes.target":             {"[{source: data, target: /data}]", "[{source: data, target: /more}]", ""},
			"volumes.read_only":          volume("read_only: true", "read_only: false"),
			// Another propagation needs a mount that is shared already.
			"volumes.bind":                  bind("bind: {propagation: private}", "bind: {recursive: disabled}"),
			"volumes.bind.propagation":      bind("bind: {propagation: private}", "bind: {propagation: rprivate}"),
			"volumes.bind.create_host_path": bind("bind: {create_host_path: false}", "bind: {create_host_path: true}"),
			"volumes.bind.recursive":        bind("bind: {recursive: disabled}", "bind: {recursive: enabled}"),
			"volumes.bind.selinux":          bind("bind: {selinux: z}", "bind: {selinux: Z}"),
			"volumes.volume":                volume("volume: {nocopy: true}", "volume: {nocopy: false}"),
			"volumes.volume.nocopy":         volume("volume: {nocopy: true}", "volume: {nocopy: false}"),
			"volumes.volume.subpath":        shelf("volume: {subpath: apt}", "volume: {subpath: dpkg}"),
			"volumes.tmpfs":                 tmpfs("tmpfs: {size: 64m}", "tmpfs: {mode: \"0700\"}"),
			"volumes.tmpfs.size":            tmpfs("tmpfs: {size: 64m}", "tmpfs: {size: 128m}"),
			"volumes.tmpfs.mode":            tmpfs("tmpfs: {mode: \"1777\"}", "tmpfs: {mode: \"0700\"}"),
			"devices.source":                {"[{source: /dev/zero}]", "[{source: /dev/full}]", ""},
			"devices.target":                device("target: /dev/mine", "target: /dev/other"),
			"devices.permissions":           device("permissions: r", "permissions: rw"),
			"ulimits.soft":                  {"{nofile: {soft: 100, hard: 400}}", "{nofile: {soft: 200, hard: 400}}", ""},
			"ulimits.hard":                  {"{nofile: {soft: 100, hard: 400}}", "{nofile: {soft: 100, hard: 500}}", ""},
			"logging.options": {"{driver: json-file, options: {max-size: 7m}}", "{driver: json-file, options: {max-size: 8m}}",
				"{driver: json-file}"},
			"files.source":    {"[{source: " + files[0] + ", target: /etc/one}]", "[{source: " + files[1] + ", target: /etc/one}]", ""},
			"files.content":   {"[{content: one, target: /etc/one}]", "[{content: two, target: /etc/one}]", ""},
			"files.target":    {"[{content: one, target: /etc/one}]", "[{content: one, target: /etc/two}]", ""},
			"files.mode":      file("mode: \"0444\"", "mode: \"0400\""),
			"files.uid":       file("uid: 999", "uid: 1000"),
			"files.gid":       file("gid: 999", "gid: 1000"),
			"files.template":  sourced("template: true", "template: false"),
			"files.sensitive": file("sensitive: true", "sensitive: false"),
			"files.on_change": file("on_change: copy", "on_change: \"signal:SIGHUP\""),
		},
		Shows: map[string]string{
			"healthcheck.disable": "test", "files.source": "content", "files.target": "files",
			"ports.target": "ports", "ports.published": "ports", "ports.host_ip": "ports", "ports.protocol": "ports",
			"volumes.target": "volumes", "devices.source": "devices", "devices.target": "devices", "devices.permissions": "devices",
			"volumes.type": "volumes", "volumes.bind.selinux": "volumes", "volumes.source": "name",
			"volumes.volume.subpath": "volumes",
		},
	}
	blockParts(p)
	return p
}

// blockParts are limits for a block device of this machine.
func blockParts(p *enginetest.Parts) {
	p.Skip = map[string]string{}
	if !hasBlockWeights() {
		for _, key := range []string{"weight", "weight_device", "weight_device.path", "weight_device.weight"} {
			p.Skip["blkio_config."+key] = noBlockWeights
		}
	}
	name := blockDevice()
	for key, numbers := range map[string][2]string{"device_read_bps": {"12mb", "1g"}, "device_read_iops": {"120", "60"},
		"device_write_bps": {"1g", "12mb"}, "device_write_iops": {"30", "60"}, "weight_device": {"400", "500"}} {
		word := "rate"
		if key == "weight_device" {
			word = "weight"
		}
		of := func(n string) string { return fmt.Sprintf("{%s: [{path: %s, %s: %s}]}", key, name, word, n) }
		texts := [3]string{of(numbers[0]), of(numbers[1])}
		key = "blkio_config." + key
		p.Values[key], p.Values[key+"."+word] = texts, texts
		p.Shows[key+"."+word] = "blkio_config"
		p.Skip[key+".path"] = "it needs another device"
	}
}

const noBlockWeights = "the kernel has no weights of block devices"

// blockDevice returns a disk of this machine, "" when there is none.
func blockDevice() string {
	disks, _ := filepath.Glob("/sys/block/*/device")
	for _, path := range disks {
		name := "/dev/" + filepath.Base(filepath.Dir(path))
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	return ""
}

func hasBlockWeights() bool { return exists("/sys/fs/cgroup/blkio/blkio.weight") }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
