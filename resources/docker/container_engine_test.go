//go:build e2e

package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

const quietService = `
services:
  web:
    image: TINY
    command: [serve, -body, %s]
    gate: { tcp: 8080, timeout: 20s }
`

const sharingService = `
volumes: { data: { protect: false } }
services:
  web:
    image: TINY
    restart: always
    command: [serve, -body, %s%s]
    volumes: ["data:/data"]
    gate: { tcp: 8080, timeout: 20s }
`

func TestSwapStartsFirst(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.must(y.spec(fmt.Sprintf(quietService, "one")))
	old := y.inspect(y.stack + "-web")
	two := y.spec(fmt.Sprintf(quietService, "two"))
	y.must(two)
	now := y.inspect(y.stack + "-web")
	if now.ID == old.ID || now.Config.Labels[labelReplaces] != old.ID || now.Config.Labels[labelGen] != "2" {
		t.Errorf("labels %v", now.Config.Labels)
	}
	if started := parseTime(now.State.StartedAt); started.IsZero() || !parseTime(old.State.StartedAt).Before(started) {
		t.Errorf("started %s", now.State.StartedAt)
	}
	if got := y.containers(); len(got) != 1 {
		t.Errorf("containers: %v", got)
	}
	y.converged(two)
}

func TestSwapStopsFirst(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.must(y.spec(fmt.Sprintf(sharingService, "one", "")))
	old := y.inspect(y.stack + "-web")
	two := y.spec(fmt.Sprintf(sharingService, "two", ""))
	y.must(two)
	now := y.inspect(y.stack + "-web")
	if now.ID == old.ID || now.HostConfig.RestartPolicy.Name != "always" {
		t.Errorf("%s, restart %s", now.ID, now.HostConfig.RestartPolicy.Name)
	}
	if got := y.containers(); len(got) != 1 {
		t.Errorf("containers: %v", got)
	}
	y.converged(two)
}

func TestSwapRollsBack(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]string{"start-first": strings.Replace(quietService, "%s]", "%s%s]", 1), "stop-first": sharingService} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t)
			one := y.spec(fmt.Sprintf(spec, "one", ""))
			y.must(one)
			old := y.inspect(y.stack + "-web")
			began := time.Now()
			err := y.apply(y.e, y.spec(fmt.Sprintf(spec, "two", ", -exit-after, 100ms, -after, 1h")))
			t.Logf("failed and put back after %v: %v", time.Since(began), err)
			var failed *resources.GateError
			if !errors.As(err, &failed) {
				t.Fatalf("%v is no failure of a gate", err)
			}
			if failed.ExitCode == nil || *failed.ExitCode != 1 || !slices.Contains(failed.Logs, "tiny gives up") ||
				failed.Next.Logs+failed.Next.Container == "" {
				t.Errorf("%+v", failed)
			}
			now := y.inspect(y.stack + "-web")
			if now.ID != old.ID || !now.State.Running || now.HostConfig.RestartPolicy != old.HostConfig.RestartPolicy {
				t.Errorf("%s %s, restart %v", now.ID, now.State.Status, now.HostConfig.RestartPolicy)
			}
			got := y.containers()
			t.Log(got)
			if len(got) != 2 || !strings.Contains(strings.Join(got, "|"), y.stack+"-web.bad-2 exited") {
				t.Errorf("containers: %v", got)
			}
			y.must(one)
			y.converged(one)
		})
	}
}

// A run was killed while a replacement that is not well waited for its gate, and
// another replacement fails too: what comes back is what last worked.
func TestSwapRollsBackToWhatWorked(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	one := y.spec(fmt.Sprintf(sharingService, "one", ""))
	y.must(one)
	worked := y.inspect(y.stack + "-web")
	two := y.spec(strings.Replace(fmt.Sprintf(sharingService, "two", ", -exit-after, 1ms, -after, 1h"), "always", `"no"`, 1)).Of("service")[0]
	seen, err := y.e.Readers()["service"].Observe(t.Context(), resources.Scope{Stack: y.stack, Want: []*resources.Resource{two}})
	if err != nil {
		t.Fatal(err)
	}
	if err := writerOver(y.e, "service").(resources.Swapper).Swap(t.Context(), two, seen[0], y.note(two.Addr)); err != nil {
		t.Fatal(err)
	}
	ended, failure := y.raw.ContainerWait(t.Context(), y.stack+"-web", container.WaitConditionNotRunning)
	select {
	case <-ended:
	case err := <-failure:
		t.Fatal(err)
	}
	next, err := Open(t.Context(), dockerapi.Options{LookupEnv: os.LookupEnv})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	err = y.apply(next, y.spec(fmt.Sprintf(sharingService, "three", ", -exit-after, 100ms, -after, 1h")))
	var failed *resources.GateError
	if !errors.As(err, &failed) {
		t.Fatalf("%v is no failure of a gate", err)
	}
	now := y.inspect(y.stack + "-web")
	if now.ID != worked.ID || !now.State.Running || now.HostConfig.RestartPolicy != worked.HostConfig.RestartPolicy {
		t.Errorf("%s %s, restart %v; before %s: %v", now.ID, now.State.Status, now.HostConfig.RestartPolicy, worked.ID, y.containers())
	}
	// The first engine is that of a run that was killed.
	if err := y.apply(next, one); err != nil {
		t.Fatal(err)
	}
	y.converged(one)
}

// A replacement that cannot even be created or started harms nothing.
func TestSwapThatCannotStart(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	one := y.spec(fmt.Sprintf(sharingService, "one", ""))
	y.must(one)
	old := y.inspect(y.stack + "-web")
	for _, spec := range []string{
		strings.Replace(fmt.Sprintf(sharingService, "two", ""), "command:", "entrypoint: [/nowhere]\n    command:", 1),
		strings.Replace(fmt.Sprintf(sharingService, "two", ""), `["data:/data"]`,
			`["data:/data", {type: bind, source: /no/such/folder, target: /x, bind: {create_host_path: false}}]`, 1),
	} {
		err := y.apply(y.e, y.spec(spec))
		if err == nil || hint(err) == "" {
			t.Errorf("%v, hint %q", err, hint(err))
		}
		t.Log(err)
		now := y.inspect(y.stack + "-web")
		if now.ID != old.ID || !now.State.Running || now.HostConfig.RestartPolicy.Name != "always" {
			t.Errorf("%s %s, restart %v", now.ID, now.State.Status, now.HostConfig.RestartPolicy)
		}
		if got := y.containers(); len(got) != 1 {
			t.Errorf("containers: %v", got)
		}
	}
	y.converged(one)
}

// killer fails every call from the nth writing one on, as when the process is
// killed: before that one takes effect, or after.
type killer struct {
	writeAPI
	left  int
	after bool
	last  string
}

var errKilled = errors.New("killed")

func (k *killer) strike(what string, do func() error) error {
	k.left--
	switch {
	case k.left > 0:
		return do()
	case k.left == 0:
		k.last = what
		if k.after {
			_ = do()
		}
	}
	return errKilled
}

func (k *killer) ContainerStart(ctx context.Context, id string, o container.StartOptions) error {
	return k.strike("start", func() error { return k.writeAPI.ContainerStart(ctx, id, o) })
}

func (k *killer) ContainerStop(ctx context.Context, id string, o container.StopOptions) error {
	return k.strike("stop", func() error { return k.writeAPI.ContainerStop(ctx, id, o) })
}

func (k *killer) ContainerRename(ctx context.Context, id, name string) error {
	_, role, _ := splitSwapName(name)
	return k.strike("rename to "+role, func() error { return k.writeAPI.ContainerRename(ctx, id, name) })
}

func (k *killer) ContainerRemove(ctx context.Context, id string, o container.RemoveOptions) error {
	return k.strike("remove", func() error { return k.writeAPI.ContainerRemove(ctx, id, o) })
}

func (k *killer) ContainerUpdate(ctx context.Context, id string, u container.UpdateConfig) (r container.UpdateResponse, err error) {
	err = k.strike("update", func() error { r, err = k.writeAPI.ContainerUpdate(ctx, id, u); return err })
	return r, err
}

// TestSwapIsKilled kills a run at each of its writing calls, before and after
// it takes effect. The old container must be there until the new one is ready,
// and the next run must bring the spec about with nothing left over; or back.
func TestSwapIsKilled(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]string{"start-first": quietService + "# %s", "stop-first": sharingService} {
		for _, fails := range []bool{false, true} {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s fails=%v after=%v", name, fails, after), func(t *testing.T) {
					if os.Getenv("MIDAZ_E2E_LONG") == "" && !(name == "stop-first" && fails && !after) {
						t.Skip("MIDAZ_E2E_LONG is not set")
					}
					y := newYard(t)
					y.e.info() //nolint:errcheck
					one := y.spec(fmt.Sprintf(spec, "one", ""))
					two := y.spec(fmt.Sprintf(spec, "two", ""))
					if fails {
						two = y.spec(strings.Replace(fmt.Sprintf(spec, "two", ""), "[serve, ", "[serve, -exit-after, 50ms, -after, 1h, ", 1))
					}
					for n := 1; ; n++ {
						y.must(one)
						k := &killer{writeAPI: y.e.api, left: n, after: after}
						again := newEngine(t.Context(), k, y.e.host)
						err := y.apply(again, two)
						again.pulse.close()
						if k.left > 0 {
							if fails == (err == nil) {
								t.Errorf("not killed, and %v", err)
							}
							break
						}
						if got := strings.Join(y.containers(), "|"); !strings.Contains(got, "web") {
							t.Fatalf("nothing is left after the kill at %s", k.last)
						}
						t.Logf("killed at call %d, %s: %v", n, k.last, y.containers())
						second := newEngine(t.Context(), y.e.api, y.e.host)
						err = y.apply(second, two)
						second.pulse.close()
						if fails {
							if err == nil {
								t.Errorf("after %s: a run that must fail did not", k.last)
							}
							c, err := y.raw.ContainerInspect(t.Context(), y.stack+"-web")
							if err != nil || !c.State.Running || !slices.Contains([]string(c.Config.Cmd), "one") {
								t.Errorf("after %s: the old one does not run in its place: %v", k.last, y.containers())
							}
							continue
						}
						if err != nil {
							t.Errorf("after %s: %v", k.last, err)
						}
						y.converged(two)
						if got := y.containers(); len(got) != 1 {
							t.Errorf("after %s: containers %v", k.last, got)
						}
					}
				})
			}
		}
	}
}

func TestPortConflict(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	spec := y.spec(`
services:
  web: { image: TINY, ports: ["127.0.0.1:` + port + `:8080"] }
`)
	err = y.apply(y.e, spec)
	if err == nil || !strings.Contains(err.Error(), "port "+port) || !strings.Contains(err.Error(), "docker.test") || hint(err) == "" {
		t.Errorf("a process holds it: %v, hint %q", err, hint(err))
	}
	_ = l.Close()
	y.foreign("holder", nil, &container.HostConfig{PortBindings: nat.PortMap{"8080/tcp": {{HostIP: "127.0.0.1", HostPort: port}}}}, nil)
	err = y.apply(y.e, spec)
	if err == nil || !strings.Contains(err.Error(), y.stack+"-holder") || hint(err) == "" {
		t.Errorf("a container holds it: %v, hint %q", err, hint(err))
	}
	if got := y.containers(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestJobsOnEngine(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	spec := func(code, run string) *resources.Declared {
		return y.spec(fmt.Sprintf(`
jobs:
  init: { image: TINY, command: [exit, "%s"], run: %s }
`, code, run))
	}
	err := y.apply(y.e, spec("5", "on_change"))
	var failed *resources.GateError
	if !errors.As(err, &failed) || failed.ExitCode == nil || *failed.ExitCode != 5 || !slices.Contains(failed.Logs, "exit 5") {
		t.Fatalf("%v %+v", err, failed)
	}
	first := y.inspect(y.stack + "-init")
	good := spec("0", "on_change")
	y.must(good)
	second := y.inspect(y.stack + "-init")
	if second.ID == first.ID || second.State.ExitCode != 0 {
		t.Errorf("%s exited with %d", second.ID, second.State.ExitCode)
	}
	y.converged(good)
	// One that fails later leaves the record of the one that did not.
	if err := y.apply(y.e, spec("6", "on_change")); err == nil {
		t.Error("exit 6 is success")
	}
	if now := y.inspect(y.stack + "-init"); now.ID != second.ID {
		t.Error("the job that succeeded is gone")
	}
	y.must(spec("0", "always"))
	if now := y.inspect(y.stack + "-init"); now.ID == second.ID {
		t.Error("it did not run again")
	}
}

func TestUpdateKeepsTheContainer(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	spec := func(more string) *resources.Declared {
		return y.spec(`
networks: { a: {}, b: {} }
services:
  web:
    image: TINY
    ` + strings.ReplaceAll(strings.TrimSpace(more), "\n", "\n    ") + "\n")
	}
	y.must(spec("networks: [a]\nmem_limit: 64m\nrestart: always"))
	old := y.inspect(y.stack + "-web")
	for _, more := range []string{
		"networks: [a]\nmem_limit: 96m\nrestart: unless-stopped\ncontainer_name: " + y.stack + "-other",
		"networks: [a, b]\nmem_limit: 96m",
		"networks: {a: {}, b: {aliases: [site]}}\nmem_limit: 96m\npids_limit: 100",
		"networks: {b: {aliases: [site, page]}, a: {}}\nmem_limit: 96m",
	} {
		all := spec(more)
		y.must(all)
		now := y.inspect(containerName(all.Of("service")[0]))
		if now.ID != old.ID || now.State.StartedAt != old.State.StartedAt {
			t.Fatalf("made anew for %s", more)
		}
		y.converged(all)
	}
	all := spec("networks: [a]\nmem_limit: 96m")
	y.must(all)
	for name, change := range map[string]func() error{
		"stopped": func() error { return y.raw.ContainerStop(t.Context(), old.ID, container.StopOptions{}) },
		"paused":  func() error { return y.raw.ContainerPause(t.Context(), old.ID) },
		"renamed": func() error { return y.raw.ContainerRename(t.Context(), old.ID, y.stack+"-elsewhere") },
		"off":     func() error { return y.raw.NetworkDisconnect(t.Context(), y.stack+"_a", old.ID, true) },
		"limit": func() error {
			_, err := y.raw.ContainerUpdate(t.Context(), old.ID,
				container.UpdateConfig{Resources: container.Resources{Memory: 128 << 20, MemorySwap: 256 << 20}})
			return err
		},
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		y.must(all)
		if now := y.inspect(y.stack + "-web"); now.ID != old.ID || !now.State.Running {
			t.Errorf("%s: %s %s", name, now.ID, now.State.Status)
		}
		y.converged(all)
	}
}

func TestFilesOnTheLivingContainer(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	spec := func(a, b string) *resources.Declared {
		return y.spec(fmt.Sprintf(`
services:
  web:
    image: TINY
    files:
      - { content: %q, target: /etc/app/a.conf, mode: "0640", uid: 7, gid: 8, on_change: copy }
      - { content: %q, target: /etc/app/b.conf }
`, a, b))
	}
	one := spec("one", "fixed")
	y.must(one)
	y.converged(one)
	id := y.inspect(y.stack + "-web").ID
	two := spec("two", "fixed")
	y.must(two)
	if now := y.inspect(y.stack + "-web"); now.ID != id {
		t.Error("a file that is only copied made the container anew")
	}
	y.converged(two)
	y.must(spec("two", "other"))
	if now := y.inspect(y.stack + "-web"); now.ID == id {
		t.Error("a file that replaces did not")
	}
}

// Data in a volume without a name must outlive a replacement, and the service:
// it goes only where that was asked for.
func TestAnonymousVolumeIsHandedOn(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	spec := func(body string) *resources.Declared {
		return y.spec(fmt.Sprintf(`
services:
  web:
    image: TINY
    command: [serve, -body, %s]
    volumes: [/data]
`, body))
	}
	y.must(spec("one"))
	old := y.inspect(y.stack + "-web")
	two := spec("two")
	y.must(two)
	now := y.inspect(y.stack + "-web")
	if len(now.Mounts) != 1 || now.Mounts[0].Name != old.Mounts[0].Name {
		t.Errorf("mounts %v, were %v", now.Mounts, old.Mounts)
	}
	y.converged(two)
	seen, err := y.e.Readers()["service"].Observe(t.Context(), resources.Scope{Stack: y.stack, Owned: true})
	if err != nil || len(seen) != 1 {
		t.Fatal(seen, err)
	}
	if err := writerOver(y.e, "service").Delete(t.Context(), seen[0], y.note(seen[0].Addr)); err != nil {
		t.Fatal(err)
	}
	if err := y.raw.VolumeRemove(t.Context(), old.Mounts[0].Name, false); err != nil {
		t.Errorf("the volume without a name went with its service: %v", err)
	}
	y.must(two)
	if seen, err = y.e.Readers()["service"].Observe(t.Context(), resources.Scope{Stack: y.stack, Owned: true}); err != nil || len(seen) != 1 {
		t.Fatal(seen, err)
	}
	unnamed := y.inspect(y.stack + "-web").Mounts[0].Name
	seen[0].Purge = true
	if err := writerOver(y.e, "service").Delete(t.Context(), seen[0], y.note(seen[0].Addr)); err != nil {
		t.Fatal(err)
	}
	if _, err := y.raw.VolumeInspect(t.Context(), unnamed); err == nil {
		t.Error("the volume without a name is left behind")
	}
}

// A folder of the host may take the place of the volume that the image asks for.
func TestFolderOverAVolumeOfTheImage(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	t.Cleanup(func() { removeImages(y) })
	spec := func(more string) *resources.Declared {
		return y.spec("services:\n  web: { image: " + y.stack + "/app:1, build: { context: app }" + more + " }\n")
	}
	y.write("app/Dockerfile", "FROM "+y.tiny+"\nVOLUME /data\n")
	one := spec("")
	image := one.Get(resources.ImageAddr(y.stack + "/app:1"))
	if err := writerOver(y.e, "image").Create(t.Context(), image, y.note(image.Addr)); err != nil {
		t.Fatal(err)
	}
	y.must(one)
	two := spec(", volumes: [\"./here:/data\"]")
	y.must(two)
	if now := y.inspect(y.stack + "-web"); len(now.Mounts) != 1 || now.Mounts[0].Type != "bind" {
		t.Errorf("%+v", now.Mounts)
	}
	y.converged(two)
}
