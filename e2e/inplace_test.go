//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// A network that must be replaced is made anew under its containers, in one
// plan; only one that needs something else itself is touched.
func TestNetwork_that_is_replaced_must_take_along_only_who_needs_it(t *testing.T) {
	t.Parallel()
	const spec = `
		networks: { n: { ipam: { config: [{ subnet: SUBNET.0/24 }] } } }
		services:
		  a: { image: TINY, networks: [n], gate: { stable_for: 1ms } }
		  b: { image: TINY, networks: { n: { ipv4_address: SUBNET.10, aliases: [bee] } }, gate: { stable_for: 1ms } }
		  c: { image: TINY, networks: { n: {} }, environment: { V: "VALUE" }, gate: { stable_for: 1ms } }
		`
	with := func(subnet, value string) string {
		return strings.NewReplacer("SUBNET", subnet, "VALUE", value).Replace(spec)
	}
	s := newStack(t, with("10.213.71", "1"))
	s.apply()
	pid := func(name string) int { return s.container(name).State.Pid }
	a, b, c := pid("a"), pid("b"), pid("c")

	s.write("midaz.infra.yaml", with("10.213.72", "2"))
	got := s.changes()
	if fmt.Sprint(got["network/n"]) != "[delete create]" || got["service/a"] != nil || fmt.Sprint(got["service/b"]) != "[update]" ||
		len(got["service/c"]) != 2 {
		t.Errorf("plan: %v", got)
	}
	s.apply()
	s.converged()
	if pid("a") != a || pid("b") != b {
		t.Error("a process that needed nothing but the network was not kept")
	}
	if pid("c") == c {
		t.Error("c was not replaced")
	}
	if ip := s.container("b").NetworkSettings.Networks[s.name+"_n"].IPAddress; ip != "10.213.72.10" {
		t.Errorf("b has %s", ip)
	}
	if got := s.drift(0); got.Drifted || len(got.Pending) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestFile_that_asks_for_a_signal_must_be_replaced_in_place(t *testing.T) {
	t.Parallel()
	spec := func(content string) string {
		return fmt.Sprintf(`services: { a: { image: TINY, files: [{ content: %q, target: /etc/tiny.conf, on_change: "signal:SIGHUP" }] } }`,
			content)
	}
	s := newStack(t, spec("one"))
	s.apply()
	id := s.container("a").ID
	s.write("midaz.infra.yaml", spec("two"))
	if got := fmt.Sprint(s.changes()); got != "map[service/a:[update]]" {
		t.Errorf("plan: %s", got)
	}
	s.apply()
	if s.container("a").ID != id {
		t.Error("the container was replaced")
	}
	if code, out, err := execIn(s.name+"-a", "/tiny", "cat", "/etc/tiny.conf"); err != nil || code != 0 || out != "two" {
		t.Errorf("the file holds %q: %d %v", out, code, err)
	}
	eventually(t, longest, func() error {
		if r := s.exits(0, "logs"); !strings.Contains(r.stdout, "tiny reads its files again") {
			return fmt.Errorf("no signal: %s", r.stdout)
		}
		return nil
	})
	s.converged()
	if got := s.drift(0); got.Drifted || len(got.Pending) > 0 {
		t.Errorf("%+v", got)
	}
}
