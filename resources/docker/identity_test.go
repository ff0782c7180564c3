package docker

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"pgregory.net/rapid"

	"github.com/LerianStudio/midaz-infra/resources"
)

// TestEditions: what two images mean for one volume.
func TestEditions(t *testing.T) {
	const lost = "data-loss"
	for _, c := range []struct{ old, now, want string }{
		{"postgres:17", "postgres:18", lost},
		{"postgres:18", "postgres:17", lost},
		{"postgres:17.4", "postgres:17.5", ""},
		{"postgres:17.5", "postgres:17.4", ""}, // minor versions read each other's files
		{"postgres:9.5", "postgres:9.6", lost},
		{"postgres:17", "postgres:17-alpine", lost},
		{"postgres:17-bookworm", "postgres:17-trixie", ""},
		{"postgres:17", "registry.example:5000/library/postgres:17", ""},
		{"postgres:17", "midaz-debian/postgres:17", ""},
		{"midaz-debian/postgres:17", "midaz-debian/postgres:18", lost},
		{"postgres:17", "pgvector/pgvector:pg17", ""},
		{"postgres:16", "pgvector/pgvector:0.8.0-pg17", lost},
		{"timescale/timescaledb:2.17.0-pg16", "timescale/timescaledb:2.18.0-pg16", ""},
		{"timescale/timescaledb:2.17.0-pg16", "timescale/timescaledb:2.17.0-pg17", lost},
		{"postgres:17", "bitnami/postgresql:17", lost},
		{"postgres:17", "postgres:latest", ""}, // no one can tell
		{"postgres:17", "postgres@sha256:" + strings.Repeat("a", 64), ""},
		{"mongo:7.0", "mongo:8.0", lost},
		{"mongo:8.0", "mongo:7.0", lost},
		{"mongo:8.0.1", "mongo:8.0.4", ""},
		{"mysql:8.0", "mysql:8.4", lost},
		{"mysql:8.0.36", "mysql:8.0.37", ""},
		{"mariadb:10.6", "mariadb:10.11", lost},
		{"mysql:8.0", "mariadb:11", lost},
		{"valkey/valkey:8.1", "valkey/valkey:9.0", lost},
		{"valkey/valkey:8.0", "valkey/valkey:8.1", ""},
		{"valkey/valkey:8.1", "valkey/valkey:8.0", lost},
		{"redis:7.2", "valkey/valkey:8.1", lost},
		{"rabbitmq:3.13-management", "rabbitmq:4.0-management", lost},
		{"rabbitmq:4.0.5", "rabbitmq:4.1.6-management-alpine", ""},
		{"rabbitmq:4.1", "rabbitmq:4.0", lost},
		{"midaz-debian/rabbitmq:3.10", "midaz-debian/rabbitmq:4.0", lost},
		{"grafana/grafana:10.4.1", "grafana/grafana:11.0.0", lost},
		{"grafana/otel-lgtm:0.33.0", "grafana/otel-lgtm:0.34.0", lost},
		{"redpandadata/redpanda:v24.2.7", "redpandadata/redpanda:v24.3.1", lost},
		{"hashicorp/vault:1.15", "hashicorp/vault:1.16", lost},
		{"app:1", "app:2", ""},
		{"postgres:17", "app:2", ""},
	} {
		folder := "/data"
		if e, ok := editionOf(c.old, nil); ok {
			folder = e.paths[0]
		}
		old := side{image: c.old, hostname: "h", data: map[string]string{folder: "volume x"}}
		now := old
		now.image = c.now
		if got := hazardCodes(strands(old, now)); got != c.want {
			t.Errorf("%s, then %s: got %q, want %q", c.old, c.now, got, c.want)
		}
		old.data, now.data = nil, nil
		if got := strands(old, now); len(got) > 0 {
			t.Errorf("%s, then %s, without a volume: got %v", c.old, c.now, got)
		}
	}
}

func hazardCodes(all []resources.Hazard) string {
	var out []string
	for _, h := range all {
		out = append(out, h.Code)
	}
	return strings.Join(out, " ")
}

// TestIdentity: what else than the version decides whether a server finds its data.
func TestIdentity(t *testing.T) {
	postgres := side{image: "postgres:17", hostname: "0123456789ab", env: map[string]string{"PGDATA": "/var/lib/postgresql/data"},
		data: map[string]string{"/var/lib/postgresql/data": "volume pg"}}
	rabbit := side{image: "rabbitmq:4.0", hostname: "0123456789ab", data: map[string]string{"/var/lib/rabbitmq": "volume mq"}}
	for name, c := range map[string]struct {
		old    side
		change func(*side)
		want   string // a part of the only hazard, "" for none
	}{
		"nothing": {postgres, func(s *side) { s.hostname, s.env = "", nil }, ""},
		"PGDATA elsewhere": {postgres, func(s *side) { s.env = map[string]string{"PGDATA": "/var/lib/postgresql/data/new"} },
			"looks at /var/lib/postgresql/data/new"},
		"mounted elsewhere": {postgres, func(s *side) { s.data = map[string]string{"/data": "volume pg"} }, "has that at /data"},
		"mounted above": {postgres, func(s *side) { s.data = map[string]string{"/var/lib/postgresql": "volume pg"} },
			"has that at /var/lib/postgresql"},
		"another volume":               {postgres, func(s *side) { s.data = map[string]string{"/var/lib/postgresql/data": "volume other"} }, ""},
		"another user":                 {postgres, func(s *side) { s.user = "1000" }, "written as the image's user"},
		"a broker without a host name": {rabbit, func(s *side) { s.hostname = "" }, "write `hostname: 0123456789ab`"},
		"a broker that keeps it":       {rabbit, func(*side) {}, ""},
		"a broker renamed":             {rabbit, func(s *side) { s.hostname = "rabbitmq" }, "from rabbit@0123456789ab to rabbit@rabbitmq"},
		"a broker with a node name":    {withEnv(rabbit, "RABBITMQ_NODENAME", "rabbit@localhost"), func(s *side) { s.hostname = "" }, ""},
		"a broker with half a name": {withEnv(rabbit, "RABBITMQ_NODENAME", "hare"), func(s *side) { s.hostname = "" },
			"of hare@0123456789ab would be gone"},
		"another node name": {withEnv(rabbit, "RABBITMQ_NODENAME", "a@localhost"),
			func(s *side) { s.env = map[string]string{"RABBITMQ_NODENAME": "b@localhost"} },
			"from a@localhost to b@localhost"},
		"another base": {rabbit, func(s *side) { s.env = map[string]string{"RABBITMQ_MNESIA_BASE": "/var/lib/rabbitmq/other"} },
			"looks at /var/lib/rabbitmq/other"},
		"a broker with no volume": {side{image: "rabbitmq:4.0", hostname: "a"}, func(s *side) { s.hostname = "" }, ""},
	} {
		now := c.old
		now.env, now.data = maps.Clone(c.old.env), maps.Clone(c.old.data)
		c.change(&now)
		got := strands(c.old, now)
		switch {
		case c.want == "" && len(got) > 0:
			t.Errorf("%s: got %v", name, got)
		case c.want != "" && (len(got) != 1 || !strings.Contains(got[0].Msg, c.want)):
			t.Errorf("%s: got %v, want %q", name, got, c.want)
		}
	}
}

// TestEmpties: a broker that is replaced has its topology where it finds its data.
func TestEmpties(t *testing.T) {
	volume := map[string]string{"/var/lib/rabbitmq": "volume mq"}
	for name, c := range map[string]struct {
		old, now side
		want     string // a part of the reason, "" where the topology comes along
	}{
		"as it was": {side{image: "rabbitmq:4.0", hostname: "a", data: volume}, side{image: "rabbitmq:4.0", hostname: "a", data: volume},
			""},
		"another name": {side{image: "rabbitmq:4.0", hostname: "a", data: volume}, side{image: "rabbitmq:4.0", hostname: "b", data: volume},
			"from rabbit@a to rabbit@b"},
		"mounted elsewhere": {side{image: "rabbitmq:4.0", hostname: "a", data: volume},
			side{image: "rabbitmq:4.0", hostname: "a", data: map[string]string{"/data": "volume mq"}}, "has that at /data"},
		"without a volume": {side{image: "rabbitmq:4.0", hostname: "a"}, side{image: "rabbitmq:4.0", hostname: "a"}, "in the container itself"},
		"no broker":        {side{image: "postgres:17"}, side{image: "postgres:17"}, ""},
	} {
		if got := empties(c.old, c.now); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func withEnv(s side, key, value string) side {
	s.env = map[string]string{key: value}
	return s
}

// TestSameEditionIsNoHazard: whatever the tag, an image is no danger to its own
// data.
func TestSameEditionIsNoHazard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(families).Draw(t, "family")
		tag := rapid.StringMatching(`v?[0-9]{1,3}(\.[0-9]{1,3}){0,3}(-[a-z]{1,8})?`).Draw(t, "tag")
		s := side{image: rapid.SampledFrom(f.images).Draw(t, "image") + ":" + tag, hostname: "h", data: map[string]string{f.paths[0]: "volume x"}}
		if got := strands(s, s); len(got) > 0 {
			t.Fatalf("%s: %v", s.image, got)
		}
	})
}

// What a replacement does to data is the same against a recording.
func TestIdentityIsRecorded(t *testing.T) {
	c := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{ID: "1", Name: "/test-web", HostConfig: &container.HostConfig{},
			State: &container.State{}},
		Config: &container.Config{Hostname: "mq", User: "999", Env: []string{"RABBITMQ_NODENAME=mq@one", "RABBITMQ_MNESIA_BASE=/data",
			"RABBITMQ_VERSION=4.0.5", "RABBITMQ_DEFAULT_PASS=hush"}},
		Mounts: []container.MountPoint{{Type: mount.TypeVolume, Name: "mq", Destination: "/data", RW: true}},
	}
	memory, err := json.Marshal(containerKind{}.Record(&resources.Observed{ID: "1", Native: &seenContainer{inspect: c}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(memory), "hush") {
		t.Errorf("a password was recorded: %s", memory)
	}
	o := &resources.Observed{ID: "1"}
	if err := (containerKind{}).Replay(o, memory, nil); err != nil {
		t.Fatal(err)
	}
	want, got := oldSide(&c, "rabbitmq:latest"), oldSide(&o.Native.(*seenContainer).inspect, "rabbitmq:latest")
	delete(want.env, "RABBITMQ_DEFAULT_PASS")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
