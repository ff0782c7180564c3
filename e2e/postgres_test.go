//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
)

const postgresImage = "midaz-debian/postgres:17"

func postgresSpec(image, connections string) string {
	return fmt.Sprintf(`
		variables: { PASSWORD: { type: string, sensitive: true, default: "a-password" } }
		networks: { n: {} }
		volumes: { data: {} }
		services:
		  db:
		    image: %s
		    restart: always
		    stop_grace_period: 30s
		    command: [postgres, -c, max_connections=%s]
		    environment: { POSTGRES_PASSWORD: "${PASSWORD}" }
		    networks: [n]
		    volumes: ["data:/var/lib/postgresql/data"]
		    ports: ["127.0.0.1:PORT1:5432"]
		    gate: { exec: [pg_isready, -h, 127.0.0.1], timeout: 60s }
		`, image, connections)
}

// writer inserts numbers one after the other, each in a transaction of its own,
// and prints each that the server has acknowledged. A session that breaks is
// followed by one with numbers of its own: what it had sent counts as not written.
const writer = `n=0; while :; do n=$((n+1000000)); i=$n; ` +
	`while echo "INSERT INTO rows SELECT $i FROM pg_sleep(0.002) RETURNING 'row ' || n;"; do i=$((i+1)); done 2>/dev/null | ` +
	`psql -XAtq -v ON_ERROR_STOP=1 -h db -U postgres 2>/dev/null; sleep 0.05; done`

// Rows are written all the while; whatever happens to the container, each that
// the server has acknowledged is there afterwards.
func TestPostgreSQL_must_keep_each_acknowledged_row(t *testing.T) {
	t.Parallel()
	needDebianImage(t, postgresImage, "postgres")
	s := newStack(t, postgresSpec(postgresImage, "40"))
	s.apply()
	s.psql("CREATE TABLE rows (n bigint)")
	id := runContainer(t, s.name+"-writer", &container.Config{
		Image: postgresImage, Env: []string{"PGPASSWORD=a-password", "PGCONNECT_TIMEOUT=2"}, Entrypoint: []string{"sh", "-c"},
		Cmd: []string{writer},
	}, &container.HostConfig{NetworkMode: container.NetworkMode(s.name + "_n")})
	// acknowledged waits until rows were written for a while since the last call,
	// and returns all of them.
	known := 0
	acknowledged := func() []string {
		var rows []string
		eventually(t, time.Minute, func() error {
			rows = numbered(allLogs(t, id))
			if len(rows) < known+200 {
				return fmt.Errorf("%d rows, and %d before", len(rows), known)
			}
			return nil
		})
		known = len(rows)
		return rows
	}
	kept := func(what string) {
		t.Helper()
		acked := acknowledged()
		there := map[string]bool{}
		for _, n := range strings.Fields(s.psql("SELECT n FROM rows")) {
			there[n] = true
		}
		lost := slices.DeleteFunc(slices.Clone(acked), func(n string) bool { return there[n] })
		t.Logf("postgresql: %s: %d rows acknowledged, %d lost", what, len(acked), len(lost))
		if len(lost) > 0 {
			t.Errorf("%s: lost %v", what, lost)
		}
	}
	kept("before anything")

	s.write("midaz.infra.yaml", postgresSpec(postgresImage, "41"))
	s.apply()
	if got := s.psql("SHOW max_connections"); got != "41" {
		t.Errorf("max_connections is %s", got)
	}
	kept("replaced by a new configuration")

	old := s.container("db").ID
	s.write("midaz.infra.yaml", postgresSpec("TINY", "41"))
	s.exits(4, "apply", "-auto-approve").says("old one is back")
	if now := s.container("db").ID; now != old {
		t.Error("another container came back")
	}
	kept("replaced by an image that is none, and put back")

	p := s.record()
	for n, path := range []string{"/stop", "/rename", "/start"} {
		s.write("midaz.infra.yaml", postgresSpec(postgresImage, fmt.Sprint(42+n)))
		killed := make(chan *process, 1)
		p.Inject(func(c proxy.Call) *proxy.Fault {
			if !strings.HasSuffix(c.Path, path) {
				return nil
			}
			return &proxy.Fault{When: proxy.After, What: proxy.Reset, Do: func() { _ = (<-killed).Process.Signal(syscall.SIGKILL) }}
		})
		run := s.start("apply", "-auto-approve")
		killed <- run
		if r := run.end(); r.code != -1 {
			t.Errorf("it was not killed\n%s", r)
		}
		p.Inject(nil)
		s.apply()
		if got := s.psql("SHOW max_connections"); got != fmt.Sprint(42+n) {
			t.Errorf("max_connections is %s", got)
		}
		kept("midaz killed at " + path)
	}
	s.converged()
	if got := s.containers(); len(got) != 1 {
		t.Errorf("left over: %v", got)
	}
}

// psql runs a statement in the database of the stack, which may still be starting.
func (s *stack) psql(statement string) string {
	s.t.Helper()
	var out string
	eventually(s.t, 30*time.Second, func() error {
		code, text, err := execIn(s.name+"-db", "psql", "-XAtq", "-U", "postgres", "-c", statement)
		if err == nil && code != 0 {
			err = fmt.Errorf("psql: exit %d: %s", code, text)
		}
		out = strings.TrimSpace(text)
		return err
	})
	return out
}

// numbered returns the numbers that the writer printed.
func numbered(log string) []string {
	var out []string
	for line := range strings.Lines(log) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "row "); ok {
			out = append(out, n)
		}
	}
	return out
}
