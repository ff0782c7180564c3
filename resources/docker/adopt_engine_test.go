//go:build e2e

package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
)

// foreigners makes by hand what the spec of TestAdopt declares.
func foreigners(y *yard) (containerID string) {
	y.t.Helper()
	ctx := context.Background()
	compose := map[string]string{"com.docker.compose.project": "by-hand"}
	if _, err := y.raw.NetworkCreate(ctx, y.stack+"_n", network.CreateOptions{Labels: compose}); err != nil {
		y.t.Fatal(err)
	}
	y.t.Cleanup(func() { _ = y.raw.NetworkRemove(ctx, y.stack+"_n") })
	if _, err := y.raw.VolumeCreate(ctx, volume.CreateOptions{Name: y.stack + "_v", Labels: compose}); err != nil {
		y.t.Fatal(err)
	}
	y.t.Cleanup(func() { _ = y.raw.VolumeRemove(ctx, y.stack+"_v", true) })
	return y.foreign("web", &container.Config{Labels: compose}, &container.HostConfig{NetworkMode: container.NetworkMode(y.stack + "_n"),
		Binds: []string{y.stack + "_v:/data"}},
		&network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{y.stack +
			"_n": {Aliases: []string{"web", y.stack + "-web"}}}})
}

const adoptedSpec = `
networks: { n: {} }
volumes: { v: {} }
services:
  web: { image: TINY, networks: [n], volumes: ["v:/data"], restart: always }
`

func release(e *Engine, y *yard, all *resources.Declared) error {
	return e.recorder.Release(y.t.Context(), y.stack, all.Resources, nil)
}

// TestAdoptIsKilled kills a run that takes over at each of its writing calls,
// before and after it takes effect. The next one finishes, the container runs on
// all the while, and of the records one is left.
func TestAdoptIsKilled(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for n := 1; !t.Failed(); n++ {
			ended := false
			t.Run(fmt.Sprintf("call %d after=%v", n, after), func(t *testing.T) { ended = adoptKilledAt(t, n, after) })
			if ended {
				break
			}
		}
	}
}

// adoptKilledAt reports whether the run ended before its nth call.
func adoptKilledAt(t *testing.T, n int, after bool) bool {
	y := newYard(t)
	id := foreigners(y)
	since := y.inspect(id).State.StartedAt
	all := y.spec(adoptedSpec)
	k := &killer{writeAPI: y.e.api, left: n, after: after}
	again := newEngine(t.Context(), k, y.e.host)
	err := y.apply(again, all)
	if err == nil {
		err = release(again, y, all)
	}
	again.pulse.close()
	if k.left > 0 && err != nil {
		t.Fatalf("not killed, and %v", err)
	}
	second := newEngine(t.Context(), y.raw, y.e.host)
	defer second.pulse.close()
	if err := y.apply(second, all); err != nil {
		t.Fatalf("after %s: %v", k.last, err)
	}
	if err := release(second, y, all); err != nil {
		t.Fatalf("after %s: %v", k.last, err)
	}
	y.e = newEngine(t.Context(), y.raw, y.e.host)
	y.converged(all)
	if c := y.inspect(id); c.State.StartedAt != since || c.HostConfig.RestartPolicy.Name != "always" {
		t.Errorf("after %s: started %s, was %s; restart %s", k.last, c.State.StartedAt, since, c.HostConfig.RestartPolicy.Name)
	}
	seen, err := y.e.Readers()["volume"].Observe(t.Context(), resources.Scope{Stack: y.stack, Owned: true})
	if err != nil || len(seen) != 1 || !seen[0].Protected || seen[0].Applied == nil {
		t.Errorf("after %s: %v, volumes %+v", k.last, err, seen)
	}
	records, err := y.e.recorded.fresh(t.Context())
	if err != nil || len(records.of(y.stack).volumes) != 1 || len(records.of(y.stack).content.Adopted) != 3 {
		t.Errorf("after %s: %v, records %+v", k.last, err, records.of(y.stack))
	}
	return k.left > 0
}

// A change that only a new container can have replaces an adopted one, which
// then needs no record; what is removed by others leaves it as well.
func TestAdoptedIsReplacedAndForgotten(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	id := foreigners(y)
	one, two := y.spec(adoptedSpec), y.spec(strings.Replace(adoptedSpec, "restart: always", "restart: always, command: [serve, -body, other]",
		1))
	y.must(one)
	if err := release(y.e, y, one); err != nil {
		t.Fatal(err)
	}
	y.must(two)
	if err := release(y.e, y, two); err != nil {
		t.Fatal(err)
	}
	if c := y.inspect(y.stack + "-web"); c.ID == id || c.Config.Labels[labelStack] != y.stack {
		t.Errorf("not replaced by one of the stack: labels %v", c.Config.Labels)
	}
	records, err := y.e.recorded.fresh(t.Context())
	if err != nil || len(records.of(y.stack).content.Adopted) != 2 {
		t.Errorf("%v, record %+v", err, records.of(y.stack).content.Adopted)
	}
	// Someone makes the network anew under the same name: it is another one.
	y.drop(t.Context(), y.inspect(y.stack+"-web").ID)
	if err := y.raw.NetworkRemove(t.Context(), y.stack+"_n"); err != nil {
		t.Fatal(err)
	}
	if _, err := y.raw.NetworkCreate(t.Context(), y.stack+"_n", network.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	seen, err := y.e.Readers()["network"].Observe(t.Context(), resources.Scope{Stack: y.stack, Want: two.Of("network"), Owned: true})
	if err != nil || len(seen) != 1 || seen[0].Stack != "" {
		t.Errorf("%v: a network that someone else made is taken for ours: %+v", err, seen)
	}
}

// A run that takes a container over is killed, and the next spec does not have it:
// its owner has it again, as it was. What is under test is every point at which a
// container that is replaced may be stopped, renamed, and without its policy.
func TestAdoptThatIsKilledIsGivenBack(t *testing.T) {
	t.Parallel()
	const rest = "networks: { n: {}, m: {} }\nvolumes: { v: {} }\n"
	for name, fields := range map[string]string{"in place": "", "replaced": `, environment: { A: "1" }`} {
		t.Run(name, func(t *testing.T) {
			for n, killed := 1, true; killed && n < 24 && !t.Failed(); n++ {
				t.Run(fmt.Sprintf("call %d", n), func(t *testing.T) {
					if os.Getenv("MIDAZ_E2E_LONG") == "" && n%4 != 0 {
						t.Skip("MIDAZ_E2E_LONG is not set")
					}
					y := newYard(t)
					id := foreigners(y)
					if _, err := y.raw.ContainerUpdate(t.Context(), id,
						container.UpdateConfig{RestartPolicy: container.RestartPolicy{Name: "on-failure", MaximumRetryCount: 3}}); err != nil {
						t.Fatal(err)
					}
					before := y.inspect(id)
					was := formerOf(&before)
					k := &killer{writeAPI: y.e.api, left: n, after: true}
					first := newEngine(t.Context(), k, y.e.host)
					err := y.apply(first, y.spec(rest+`services: { web: { image: TINY, networks: [n, m], volumes: ["v:/data"], restart: always`+fields+
						" } }"))
					first.pulse.close()
					if killed = k.left <= 0; !killed && err != nil {
						t.Errorf("not killed, and %v", err)
					}
					if !killed && name == "replaced" {
						return // it has gone
					}
					// In place, the last one ends without writing down that it did.
					second := newEngine(t.Context(), y.raw, y.e.host)
					defer second.pulse.close()
					without := y.spec(rest)
					if err := errors.Join(y.apply(second, without), release(second, y, without)); err != nil {
						t.Fatalf("after %s: %v", k.last, err)
					}
					now, err := y.raw.ContainerInspect(t.Context(), id)
					if cerrdefs.IsNotFound(err) && strings.HasPrefix(k.last, "remove") {
						return // its replacement had passed the gate
					}
					if err != nil {
						t.Fatalf("after %s: %v", k.last, err)
					}
					if is := formerOf(&now); !reflect.DeepEqual(is, was) {
						t.Errorf("after %s: it is %+v, and was %+v", k.last, is, was)
					}
					if now.Name != before.Name {
						t.Errorf("after %s: its name is %s", k.last, now.Name)
					}
				})
			}
		})
	}
}
