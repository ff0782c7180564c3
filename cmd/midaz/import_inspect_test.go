//go:build e2e

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/e2e/rig"
	"github.com/LerianStudio/midaz-infra/resources"
)

// TestImportedProjectHasTheSameContainers has Compose and midaz create generated
// projects on the engine that DOCKER_HOST names and compares what `docker inspect`
// says of their containers. Every image is a small one whose entrypoint waits.
// MIDAZ_INSPECTS is the number of projects, MIDAZ_SEED the first seed (1).
func TestImportedProjectHasTheSameContainers(t *testing.T) {
	n := numberFrom(t, "MIDAZ_INSPECTS", 0)
	if n == 0 {
		t.Skip("MIDAZ_INSPECTS is not set")
	}
	compose, err := exec.Command("../../e2e/bench/compose.sh").Output()
	if err != nil {
		t.Skip("there is no Compose of version 2 or later")
	}
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	c := inspectComparison{api: api, compose: strings.TrimSpace(string(compose)), image: "midaz-test/waiting:1"}
	c.build(t)
	seed, refused, seen := numberFrom(t, "MIDAZ_SEED", 1), 0, 0
	for i := range n {
		t.Run(fmt.Sprint(seed+i), func(t *testing.T) {
			switch containers, why := c.project(t, uint64(seed+i)); {
			case why != "":
				refused++
				t.Skipf("Compose does not create it: %s", why)
			default:
				seen += containers
			}
		})
	}
	t.Logf("%d containers of %d projects compared", seen, n-refused)
	if refused > n/2 {
		t.Errorf("Compose created only %d of %d projects", n-refused, n)
	}
}

type inspectComparison struct {
	api     *client.Client
	compose string // path
	image   string
}

func (c inspectComparison) build(t *testing.T) {
	t.Helper()
	dockerfile := "FROM " + conformanceImage + `
RUN printf '#!/bin/sh\nexec sleep infinity\n' >/entry && chmod 755 /entry && ln -s /bin/true /usr/bin/curl
ENTRYPOINT ["/entry"]
`
	cmd := exec.CommandContext(t.Context(), "docker", "build", "-q", "-t", c.image, "-")
	cmd.Stdin, cmd.Env = strings.NewReader(dockerfile), append(os.Environ(), "DOCKER_BUILDKIT=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// notHere are lines of a project that this machine, or every machine without a
// registry, refuses, or that midaz says it leaves out.
var notHere = regexp.MustCompile(`^\s+(build|platform|pull_policy|storage_opt|blkio_config|cgroup_parent|privileged|runtime|gpus|use_api_socket|pre_start|post_start|pre_stop|` +
	`develop|cpu_percent|external_links|attach|cgroup|userns_mode|oom_kill_disable|profiles|links|annotations|uts|mem_swappiness|memswap_limit|scale|replicas):`)

// project returns how many containers were compared, or why Compose refuses the
// project.
func (c inspectComparison) project(t *testing.T, seed uint64) (containers int, why string) {
	p, dir, name := newProject(seed), t.TempDir(), fmt.Sprintf("midaz-inspect-%d", seed)
	for file, text := range p.files {
		if strings.HasSuffix(file, ".yaml") {
			p.files[file] = c.here(text, dir, name)
		}
	}
	p.files["x/file"] = "" // bind mounts without create_host_path need it
	writeFiles(t, dir, p.files)
	c.cleanUp(t, name, dir)
	if out, err := c.run(t, dir, c.compose, "-p", name, "up", "--no-start", "--pull", "never"); err != nil {
		_, _ = c.run(t, dir, c.compose, "-p", name, "down", "-v")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		return 0, lines[len(lines)-1]
	}
	want := c.inspect(t, "com.docker.compose.project="+name, "com.docker.compose.service")
	if out, err := c.run(t, dir, c.compose, "-p", name, "down", "-v"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	midaz := func(args ...string) string {
		var out bytes.Buffer
		sys := app.System{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Now: time.Now, World: app.RealWorld(),
			LookupEnv: os.LookupEnv,
			Signals:   func() (<-chan os.Signal, func()) { return nil, func() {} }}
		if status := cli.Run(t.Context(), append(args, "-chdir", dir), sys); status != 0 {
			t.Errorf("midaz %s: exit status %d\n%s\n%s", strings.Join(args, " "), status, out.String(), p.text())
		}
		return out.String()
	}
	notes := midaz("import", "compose", "-p", name, "-out", "midaz.infra.yaml", "-env-out", "values.env")
	args := []string{"apply", "-auto-approve", "-env-file", "values.env"}
	if _, err := os.Stat(filepath.Join(dir, "values.env")); err != nil {
		args = args[:2]
	}
	told := midaz(args...)
	have := c.inspect(t, "midaz.stack="+name, "midaz.address")
	for service, w := range want {
		h, ok := have["service/"+service]
		if !ok {
			if h, ok = have["job/"+service]; !ok {
				t.Errorf("%s has no container", service)
				continue
			}
		}
		for _, d := range differences("", w, h) {
			t.Errorf("%s%s\n%s", service, d, p.text())
		}
	}
	if t.Failed() {
		t.Logf("%s\n%s", notes, told)
	}
	return len(want), ""
}

// here makes a generated file one that can be created on this machine.
func (c inspectComparison) here(text, dir, name string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if notHere.MatchString(line) {
			continue
		}
		out.WriteString(line)
	}
	text = regexp.MustCompile(`image: ("[^"\n]*"|'[^'\n]*'|[^,}\n]+)`).ReplaceAllString(out.String(), "image: "+c.image)
	text = regexp.MustCompile(`, mode: host, name: web, app_protocol: http`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`, driver_opts: \{com.docker[^}]*\}`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`interval: (1m30s|"[^"]*")`).ReplaceAllString(text, "interval: 1s")
	return strings.NewReplacer("name: shop\n", "name: "+name+"\n", "/srv/", dir+"/srv/", "{external: true}", "{}", "shop-back", name+"-back",
		"name: own-", "name: "+name+"-own-",
		"container_name: \"", "container_name: \""+name+"-", "cap_add: [ALL]", "cap_add: [NET_ADMIN]", "oom_score_adj: -500",
		"oom_score_adj: 500", "condition: none, max_attempts: 2", "condition: none", "PLAIN: 2024-05-06", "PLAIN: '2024-05-06'",
		", interface_name: eth7", "", "{interface_name: eth7}", "{}", ", start_interval: 5s", "").Replace(text)
}

func (c inspectComparison) run(t *testing.T, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c inspectComparison) cleanUp(t *testing.T, name, dir string) {
	t.Cleanup(func() {
		ctx := context.Background()
		for _, label := range []string{"com.docker.compose.project=", "midaz.stack="} {
			if err := rig.Sweep(ctx, c.api, label+name); err != nil {
				t.Error(err)
			}
		}
	})
}

// inspect returns the containers with a label by the value of another one, each as
// `docker inspect` shows it without what no two containers share.
func (c inspectComparison) inspect(t *testing.T, label, key string) map[string]map[string]any {
	t.Helper()
	list, err := c.api.ContainerList(t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", label))})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]any{}
	for _, one := range list {
		inspect, err := c.api.ContainerInspect(t.Context(), one.ID)
		if err != nil {
			t.Fatal(err)
		}
		var all map[string]any
		data, _ := json.Marshal(inspect)
		if err := json.Unmarshal(data, &all); err != nil {
			t.Fatal(err)
		}
		out[inspect.Config.Labels[key]] = comparable(inspect, all)
	}
	return out
}

// notAlike are the fields that differ between any two containers, or between the
// two programs on purpose.
var notAlike = map[string]string{
	"Config.Hostname":       "the container's ID when none is given",
	"Config.AttachStdout":   "of docker run only",
	"Config.AttachStderr":   "of docker run only",
	"Config.AttachStdin":    "of docker run only",
	"Config.StdinOnce":      "of docker run only",
	"Config.OpenStdin":      "",
	"Config.Volumes":        "compared as Mounts",
	"HostConfig.Binds":      "compared as Mounts",
	"HostConfig.Mounts":     "compared as Mounts",
	"HostConfig.LogConfig":  "the engine's default is written out by one of the two",
	"HostConfig.AutoRemove": "of docker run only",
}

// comparable returns the parts of an inspect that were asked for.
func comparable(c container.InspectResponse, all map[string]any) map[string]any {
	config, host := all["Config"].(map[string]any), all["HostConfig"].(map[string]any)
	labels, _ := config["Labels"].(map[string]any)
	maps.DeleteFunc(labels, func(name string, _ any) bool {
		return strings.HasPrefix(name, "com.docker.") || strings.HasPrefix(name, "midaz.")
	})
	if strings.HasPrefix(c.ID, c.Config.Hostname) {
		delete(config, "Hostname")
	}
	for path := range notAlike {
		part, field, _ := strings.Cut(path, ".")
		if part == "Config" && field != "Hostname" && field != "OpenStdin" {
			delete(config, field)
		} else if part == "HostConfig" {
			delete(host, field)
		}
	}
	for _, set := range []any{config["Env"], host["Ulimits"], host["CapAdd"], host["CapDrop"], host["ExtraHosts"], host["GroupAdd"]} {
		if list, ok := set.([]any); ok {
			slices.SortFunc(list, func(a, b any) int { return strings.Compare(asJSON(a), asJSON(b)) })
		}
	}
	host["SecurityOpt"] = securityOptions(c.HostConfig.SecurityOpt)
	mounts := map[string]any{}
	for _, m := range all["Mounts"].([]any) {
		m := m.(map[string]any)
		delete(m, "Mode") // says how it was asked for
		if m["Type"] == "volume" {
			delete(m, "Source")
		}
		mounts[fmt.Sprint(m["Destination"])] = m
	}
	networks := map[string]any{}
	for name, e := range c.NetworkSettings.Networks {
		aliases := slices.DeleteFunc(slices.Clone(e.Aliases), func(alias string) bool {
			return strings.HasPrefix(c.ID, alias) || alias == strings.TrimPrefix(c.Name, "/") ||
				alias == c.Config.Hostname // that of one that was started
		})
		slices.Sort(aliases)
		addresses := ""
		if e.IPAMConfig != nil {
			addresses = e.IPAMConfig.IPv4Address + e.IPAMConfig.IPv6Address
		}
		networks[name] = map[string]any{"aliases": aliases, "addresses": addresses, "links": e.Links, "driver_opts": e.DriverOpts}
	}
	return map[string]any{"Config": config, "HostConfig": host, "Mounts": mounts, "Networks": networks, "Path": all["Path"],
		"Args": all["Args"]}
}

// securityOptions returns the options in the form that is not deprecated.
func securityOptions(options []string) []string {
	var out []string
	for _, option := range options {
		if key, value, isOld := strings.Cut(option, ":"); isOld && !strings.Contains(key, "=") {
			option = key + "=" + value
		}
		out = append(out, option)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// differences returns the paths at which two values differ, with the values. What
// is empty is equal to what is missing.
func differences(path string, want, have any) []string {
	w, wok := want.(map[string]any)
	h, hok := have.(map[string]any)
	switch {
	case resources.IsEmpty(want) && resources.IsEmpty(have) || reflect.DeepEqual(want, have):
		return nil
	case !wok && !hok:
		return []string{fmt.Sprintf("%s is %s; Compose has %s", path, asJSON(have), asJSON(want))}
	}
	keys := maps.Clone(w)
	if keys == nil {
		keys = map[string]any{}
	}
	maps.Copy(keys, h)
	var out []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		out = append(out, differences(path+"."+key, w[key], h[key])...)
	}
	return out
}
