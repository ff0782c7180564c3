//go:build e2e

package e2e

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// What a broker exports is imported into a spec, and the plan of it against that
// broker is empty: for a world made by the management API, exported by that and by
// the broker's own commands, and for the same one after rabbitmqctl has imported it
// into an empty broker. With MIDAZ_E2E_EXPORTS=DIR the exports become the fixtures
// of the unit tests.
func TestBroker_definitions_must_come_back(t *testing.T) {
	s := newStack(t, "")
	b := newBroker(t, s, "rabbitmq_shovel", "rabbitmq_federation")
	s.setenv("ADMIN", brokerPassword)
	for _, call := range worldFor(t, b.version()) {
		b.call(call[0], "/api/"+call[1], call[2])
	}
	exports := map[string]string{"api": b.call("GET", "/api/definitions", ""),
		"rabbitmqctl": b.command("rabbitmqctl -q export_definitions /tmp/x.json && cat /tmp/x.json")}
	if code, out, err := execIn(s.name+"-broker", "sh", "-c",
		fmt.Sprintf("rabbitmqadmin -u %s -p %s export /tmp/a.json >/dev/null && cat /tmp/a.json", brokerUser, brokerPassword)); err == nil &&
		code == 0 {
		exports["rabbitmqadmin"] = out
	}
	for how, export := range exports {
		b.keepExport(how, export)
		if how == "rabbitmqctl" && !isBefore(b.version(), "4.3") {
			export = asLists.Replace(export)
		}
		t.Run(how, func(t *testing.T) { s.t, b.t = t, t; comesBack(s, b, export) })
	}
	s.t, b.t = t, t
	if os.Getenv("MIDAZ_E2E_RABBITMQ") == "" {
		return // the rest takes a minute, and is for `make brokers`
	}
	t.Run("imported by rabbitmqctl", func(t *testing.T) {
		s.t, b.t = t, t
		export := exports["api"]
		if !isBefore(b.version(), "4.3") {
			// It leaves internal exchanges out of its exports, not their bindings, which it
			// then refuses.
			b.call("DELETE", "/api/exchanges/orders/inner", "")
			export = b.call("GET", "/api/definitions", "")
		}
		b.copyTo("/tmp/in.json", export)
		for _, command := range []string{"stop_app", "reset", "start_app", "import_definitions /tmp/in.json"} {
			b.command("rabbitmqctl -q " + command)
		}
		again := b.command("rabbitmqctl -q export_definitions /tmp/y.json && cat /tmp/y.json")
		if !isBefore(b.version(), "4.3") {
			again = asLists.Replace(again)
		}
		comesBack(s, b, again)
	})
	s.t, b.t = t, t
}

// asLists undoes what rabbitmqctl does from 4.3 on to the lists of the world that
// begin with a number: it exports them as texts. The import says so.
var asLists = strings.NewReplacer(`"\u0001\u0002"`, `[1,2]`, `"\u0001a"`, `[1,"a"]`)

// comesBack imports an export, compares it with the broker it is of, takes that
// over and gives it up again.
func comesBack(s *stack, b *broker, export string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "definitions.json"), []byte(export), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.exits(0, "import", "definitions", "definitions.json", "-url", "http://"+b.address, "-stack", s.name, "-out", "imported.yaml",
		"-force").saysNot("error")
	s.write("login.yaml", fmt.Sprintf(`
		version: "1"
		variables: { ADMIN: { type: string, sensitive: true } }
		rabbitmq: { management: { username: %s, password: "${ADMIN}" } }
		`, brokerUser))
	with := func(args ...string) []string { return append(args, "-f", "imported.yaml", "-f", "login.yaml") }
	var plan struct {
		Changes []struct {
			Address string
			Change  struct{ Actions []string }
			Midaz   struct{ Fields []struct{ Path string } }
		} `json:"resource_changes"`
	}
	s.exits(0, with("plan", "-json", "-adopt", "*")...).json(&plan)
	for _, c := range plan.Changes {
		for _, f := range c.Midaz.Fields {
			if f.Path != "owner" {
				s.t.Errorf("%s: %s differs", c.Address, f.Path)
			}
		}
		if a := strings.Join(c.Change.Actions, " "); a != "update" && a != "no-op" {
			s.t.Errorf("%s: %s", c.Address, a)
		}
	}
	if len(plan.Changes) < 75 {
		s.t.Errorf("%d objects, want all of the world", len(plan.Changes))
	}
	s.exits(0, with("apply", "-auto-approve", "-adopt", "*")...).says("0 added", "0 destroyed")
	s.exits(0, with("plan", "-detailed-exitcode")...).says("No changes")
	s.exits(0, with("drift")...)
	b.call("DELETE", "/api/global-parameters/midaz."+s.name, "")
}

// worldFor returns the calls that make the world on a broker of a version.
func worldFor(t *testing.T, version string) [][3]string {
	t.Helper()
	f, err := os.Open("testdata/definitions/world.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var calls [][3]string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if since, rest, ok := strings.Cut(line, " "); strings.HasPrefix(since, ">=") && ok {
			if line = rest; isBefore(version, since[2:]) {
				continue
			}
		} else if strings.HasPrefix(since, "<") {
			if line = rest; !isBefore(version, since[1:]) {
				continue
			}
		}
		method, rest, _ := strings.Cut(line, " ")
		path, body, _ := strings.Cut(rest, " ")
		calls = append(calls, [3]string{method, path, body})
	}
	return calls
}

func isBefore(version, other string) bool {
	var a, b [2]int
	_, _ = fmt.Sscanf(version, "%d.%d", &a[0], &a[1])
	_, _ = fmt.Sscanf(other, "%d.%d", &b[0], &b[1])
	return a[0] < b[0] || a[0] == b[0] && a[1] < b[1]
}

func (b *broker) version() string {
	var overview struct {
		Version string `json:"rabbitmq_version"`
	}
	eventually(b.t, time.Minute, func() error { // 4.3 fails for a moment after its start
		code, body, err := b.try("GET", "/api/overview", "")
		if err == nil && code != 200 {
			err = fmt.Errorf("%d %s", code, body)
		}
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(body), &overview)
	})
	return overview.Version
}

// command runs a shell command beside the broker and returns what it printed.
func (b *broker) command(line string) string {
	b.t.Helper()
	code, out, err := execIn(b.container, "sh", "-c", line)
	if err != nil || code != 0 {
		b.t.Fatalf("%s: %d %s %v", line, code, out, err)
	}
	return out
}

// copyTo puts a file beside the broker.
func (b *broker) copyTo(path, text string) {
	b.t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: 0o644, Size: int64(len(text))})
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = docker.CopyToContainer(b.t.Context(), b.container, "/", &archive, container.CopyToContainerOptions{})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

var clusterID = regexp.MustCompile(`(rabbitmq-cluster-id-)[^"]*`)

// keepExport writes an export as a fixture, without what is random in it.
func (b *broker) keepExport(how, export string) {
	dir := os.Getenv("MIDAZ_E2E_EXPORTS")
	if dir == "" {
		return
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(export), &v); err != nil {
		b.t.Fatal(err)
	}
	for _, u := range v["users"].([]any) {
		if u := u.(map[string]any); u["name"] == brokerUser {
			u["password_hash"] = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
		}
	}
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		b.t.Fatal(err)
	}
	data = clusterID.ReplaceAll(data, []byte("${1}of-the-fixtures"))
	major, rest, _ := strings.Cut(b.version(), ".")
	minor, _, _ := strings.Cut(rest, ".")
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s.%s.json", how, major, minor)), append(data, '\n'), 0o644); err != nil {
		b.t.Fatal(err)
	}
}
