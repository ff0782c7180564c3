package docker

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"github.com/LerianStudio/midaz-infra/resources"
)

// A server finds its data again by more than the volume: by the version that
// wrote it, the folder it looks in, and, for RabbitMQ, the name of its node. A
// replacement that changes one of these starts on an empty folder, or on files
// that it converts for good or cannot read. What follows tells that from the old
// container and the wanted one. It is pure, and knows only what is written here.

// family is a server that keeps data, whatever image it comes from.
type family struct {
	name string
	// images are the last parts of its images' names.
	images []string
	// series is how many numbers of a version make a release series.
	series int
	// paths are where its images keep data, the first by default.
	paths []string
	// variables name the folder of the data.
	variables []string
	// release is the variable in which its images say their version.
	release string
	// recipe says how data comes to another release series.
	recipe string
}

const recipes = "see docs/operations.md, \"Another version of a database\""

var families = []family{
	{name: "PostgreSQL", images: []string{"postgres", "postgresql", "postgresql-repmgr", "postgis", "pgvector", "timescaledb",
		"timescaledb-ha", "supabase-postgres"}, series: 1,
		paths:     []string{"/var/lib/postgresql/data", "/var/lib/postgresql", "/bitnami/postgresql", "/home/postgres/pgdata"},
		variables: []string{"PGDATA", "POSTGRESQL_DATA_DIR"}, release: "PG_VERSION",
		recipe: "dump with pg_dumpall and restore into a new volume, or run pg_upgrade"},
	{name: "MySQL", images: []string{"mysql", "mysql-server", "percona", "percona-server"}, series: 2,
		paths: []string{"/var/lib/mysql", "/bitnami/mysql"}, release: "MYSQL_VERSION",
		recipe: "back up with mysqldump; the server converts its files one release series at a time, and never back"},
	{name: "MariaDB", images: []string{"mariadb", "mariadb-galera"}, series: 2,
		paths: []string{"/var/lib/mysql", "/bitnami/mariadb"}, release: "MARIADB_VERSION",
		recipe: "back up with mariadb-dump, then set MARIADB_AUTO_UPGRADE=1; there is no way back"},
	{name: "MongoDB", images: []string{"mongo", "mongodb", "mongodb-community-server", "mongodb-enterprise-server", "percona-server-mongodb"},
		series: 1,
		paths:  []string{"/data/db", "/bitnami/mongodb"}, release: "MONGO_VERSION",
		recipe: "back up with mongodump, set the feature compatibility version to that of the old release, and go up one major version at a time"},
	{name: "Valkey", images: []string{"valkey", "valkey-cluster", "valkey-bundle"}, series: 1,
		paths: []string{"/data", "/bitnami/valkey/data"}, release: "VALKEY_VERSION",
		recipe: "copy dump.rdb and the append-only files first: an older version cannot read what a newer one writes"},
	{name: "Redis", images: []string{"redis", "redis-cluster", "redis-stack", "redis-stack-server"}, series: 1,
		paths: []string{"/data", "/bitnami/redis/data"}, release: "REDIS_VERSION",
		recipe: "copy dump.rdb and the append-only files first: an older version cannot read what a newer one writes"},
	{name: "RabbitMQ", images: []string{"rabbitmq", "rabbitmq-server"}, series: 1,
		paths:     []string{"/var/lib/rabbitmq", "/bitnami/rabbitmq/mnesia", "/var/lib/rabbitmq/mnesia"},
		variables: []string{"RABBITMQ_MNESIA_BASE", "RABBITMQ_MNESIA_DIR"}, release: "RABBITMQ_VERSION",
		recipe: "enable all stable feature flags first (`rabbitmqctl enable_feature_flag all`), and go from 3.x through 3.13 to 4.x; there is " +
			"no way back"},
	{name: "Redpanda", images: []string{"redpanda"}, series: 2, paths: []string{"/var/lib/redpanda/data"},
		recipe: "go up one feature release at a time; there is no way back once it runs"},
	{name: "Grafana", images: []string{"grafana", "grafana-oss", "grafana-enterprise"}, series: 1, paths: []string{"/var/lib/grafana"},
		recipe: "back up its volume: the new version converts its database, and never back"},
	{name: "Grafana OTEL-LGTM", images: []string{"otel-lgtm"}, series: 2, paths: []string{"/data"},
		recipe: "back up its volume: the new versions convert their databases, and never back"},
	{name: "Vault", images: []string{"vault"}, series: 2, paths: []string{"/vault/file", "/vault/data", "/vault/raft"},
		recipe: "take a snapshot first: an older version may not read what a newer one writes"},
	{name: "etcd", images: []string{"etcd"}, series: 2, paths: []string{"/etcd-data", "/var/lib/etcd", "/bitnami/etcd/data"},
		release: "ETCD_VERSION",
		recipe:  "take a snapshot with etcdctl, and go up one minor version at a time"},
	{name: "Elasticsearch", images: []string{"elasticsearch", "opensearch"}, series: 1, paths: []string{"/usr/share/elasticsearch/data",
		"/usr/share/opensearch/data"},
		recipe: "take a snapshot, and go up one major version at a time"},
}

// edition is an image as far as its data is concerned.
type edition struct {
	*family
	// publisher tells images apart that keep data in other places or as other
	// users.
	publisher string
	// musl tells that it is built on Alpine.
	musl bool
	// version holds the first numbers of its version, empty when it says none.
	version []int
}

var (
	versionForm  = regexp.MustCompile(`^v?(\d+)(?:\.(\d+))?(?:[.\-+_]|$)`)
	postgresForm = regexp.MustCompile(`(?:^|-)pg(\d+)(?:\.(\d+))?(?:[.\-]|$)`)
)

// editionOf reads an image's name and, where the name says no version, the
// environment of a container made from it. ok is false for what is no server that
// keeps data.
func editionOf(ref string, env map[string]string) (e edition, ok bool) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return e, false
	}
	name := path.Base(named.Name())
	i := slices.IndexFunc(families, func(f family) bool { return slices.Contains(f.images, name) })
	if i < 0 {
		return e, false
	}
	e.family = &families[i]
	if strings.Contains(named.Name(), "bitnami") {
		e.publisher = "Bitnami"
	}
	tag := ""
	if tagged, is := named.(reference.Tagged); is {
		tag = tagged.Tag()
	}
	e.musl = strings.Contains(tag, "alpine")
	form := versionForm
	if e.name == "PostgreSQL" && postgresForm.MatchString(tag) {
		form = postgresForm
	}
	e.version = numbers(form.FindStringSubmatch(tag))
	if len(e.version) == 0 && e.release != "" {
		e.version = numbers(versionForm.FindStringSubmatch(env[e.release]))
	}
	return e, true
}

func numbers(match []string) []int {
	var out []int
	for _, m := range match[min(1, len(match)):] {
		n, err := strconv.Atoi(m)
		if err != nil {
			break
		}
		out = append(out, n)
	}
	return out
}

// releaseSeries returns the numbers of the version that matter for data.
func (e edition) releaseSeries() []int {
	n := e.series
	switch {
	case len(e.version) == 0:
		return nil
	case e.name == "PostgreSQL" && e.version[0] < 10:
		n = 2 // 9.5 and 9.6 are two
	}
	return e.version[:min(n, len(e.version))]
}

func showVersion(v []int) string {
	var parts []string
	for _, n := range v {
		parts = append(parts, strconv.Itoa(n))
	}
	return strings.Join(parts, ".")
}

// side is one of the two containers of a replacement.
type side struct {
	image, hostname, user string
	env                   map[string]string
	// data are the writable volumes and folders, by where they are mounted.
	data map[string]string
}

func valuesOf(env []string) map[string]string {
	out := map[string]string{}
	for _, e := range env {
		if k, v, ok := strings.Cut(e, "="); ok {
			out[k] = v
		}
	}
	return out
}

func oldSide(c *container.InspectResponse, image string) side {
	s := side{image: image, hostname: c.Config.Hostname, user: c.Config.User, env: valuesOf(c.Config.Env), data: map[string]string{}}
	for _, m := range c.Mounts {
		if !m.RW {
			continue
		}
		source := m.Source
		if m.Type == mount.TypeVolume {
			source = "volume " + m.Name
			if anonymousName.MatchString(m.Name) {
				source = "the volume without a name"
			}
		}
		s.data[path.Clean(m.Destination)] = source
	}
	return s
}

// newSide describes the container that is wanted. What it mounts without a name
// it inherits.
func newSide(req *request, image string, old side) side {
	s := side{image: image, hostname: req.Config.Hostname, user: req.Config.User, env: valuesOf(req.Config.Env), data: map[string]string{}}
	for target, source := range old.data {
		if source == "the volume without a name" {
			s.data[target] = source
		}
	}
	for _, m := range req.mounts() {
		target := path.Clean(m.Target)
		delete(s.data, target)
		switch {
		case m.ReadOnly || m.Type == mount.TypeTmpfs:
		case m.Type == mount.TypeVolume && m.Source != "":
			s.data[target] = "volume " + m.Source
		case m.Type == mount.TypeVolume:
			s.data[target] = "the volume without a name"
		default:
			s.data[target] = m.Source
		}
	}
	return s
}

// holding returns what is mounted at a folder or above it, and where; "" when
// the folder is of the container alone.
func (s side) holding(dir string) (source, target string) {
	for at := path.Clean(dir); ; at = path.Dir(at) {
		if source, ok := s.data[at]; ok {
			return source, at
		}
		if at == "/" || at == "." {
			return "", ""
		}
	}
}

// folder returns where a server looks for its data: as a variable says, or where
// something is mounted of the places that its images use.
func (s side) folder(e edition) string {
	for _, name := range e.variables {
		if dir := s.env[name]; strings.HasPrefix(dir, "/") {
			return path.Clean(dir)
		}
	}
	for _, dir := range e.paths {
		if source, _ := s.holding(dir); source != "" {
			return dir
		}
	}
	return ""
}

// identityEnv returns the variables that decide where a server keeps its data, and
// under which name.
func identityEnv(env []string) []string {
	names := []string{"RABBITMQ_NODENAME", "RABBITMQ_USE_LONGNAME"}
	for _, f := range families {
		names = append(append(names, f.variables...), f.release)
	}
	var out []string
	for _, e := range env {
		if name, _, _ := strings.Cut(e, "="); name != "" && slices.Contains(names, name) {
			out = append(out, e)
		}
	}
	return out
}

// strands names what a replacement does to data that the old container has
// written and the new one would go on with.
func strands(old, now side) []resources.Hazard {
	was, ok := editionOf(old.image, old.env)
	if !ok {
		return nil
	}
	folder := old.folder(was)
	source, at := old.holding(folder)
	if source == "" {
		return nil // its data goes with it, as any container's
	}
	var out []resources.Hazard
	lost := func(format string, args ...any) {
		out = append(out, resources.Hazard{Code: resources.DataLoss, Msg: fmt.Sprintf(format, args...)})
	}
	is, ok := editionOf(now.image, nil)
	if !ok {
		return nil // another program, which is no successor of the data
	}
	if text := moved(was, is, old, now, folder, source, at); text != "" {
		lost("%s", text)
	}
	if text := otherEdition(was, is); text != "" {
		lost("%s, on the data in %s: %s (%s)", text, source, was.recipe, recipes)
	}
	if text := otherNode(is, old, now); text != "" {
		lost("%s", text)
	}
	if old.user != now.user && (old.user != "" || now.user != "") {
		out = append(out, resources.Hazard{Code: resources.Downtime,
			Msg: fmt.Sprintf("the files in %s were written as %s, and the new one runs as %s: it may not be allowed to read them", source,
				userText(old.user), userText(now.user))})
	}
	return out
}

func userText(user string) string {
	if user == "" {
		return "the image's user"
	}
	return "user " + user
}

// moved tells that the new container looks for its data where the old one's is
// not.
func moved(was, is edition, old, now side, folder, source, at string) string {
	dir := folder
	for _, name := range is.variables {
		switch value, set := now.env[name]; {
		case set && path.Clean(value) != folder:
			dir = path.Clean(value)
		case !set && old.env[name] != "" && !slices.Contains(was.paths, path.Clean(old.env[name])) && was.publisher == is.publisher:
			dir = is.paths[0] // it is no longer set, and the image has its own
		}
	}
	other, there := now.holding(dir)
	if other == source && strings.TrimPrefix(dir, there) == strings.TrimPrefix(folder, at) {
		return ""
	}
	var elsewhere string
	for target, s := range now.data {
		if s == source && (elsewhere == "" || target < elsewhere) {
			elsewhere = target
		}
	}
	switch {
	case elsewhere == "":
		return "" // the volume itself is another, which the plan shows as that
	case was.publisher != is.publisher && slices.Contains(is.paths, elsewhere):
		return "" // said of the images
	case dir != folder:
		return fmt.Sprintf("its data is at %s in %s, and the new one looks at %s: it starts empty", folder, source, dir)
	}
	return fmt.Sprintf("its data is in %s, mounted at %s, and the new one has that at %s: it starts empty", source, at, elsewhere)
}

// otherEdition tells that the new image treats data otherwise.
func otherEdition(was, is edition) string {
	if was.name != is.name {
		return fmt.Sprintf("%s takes the place of %s", is.name, was.name)
	}
	before, after := was.releaseSeries(), is.releaseSeries()
	switch n := min(len(before), len(after)); {
	case was.publisher != is.publisher:
		return fmt.Sprintf("another publisher's image of %s keeps data in another folder and as another user", is.name)
	case n > 0 && slices.Compare(after[:n], before[:n]) > 0:
		return fmt.Sprintf("%s %s takes the place of %s", is.name, showVersion(after), showVersion(before))
	case len(was.version) > 0 && len(is.version) > 0 && slices.Compare(is.version, was.version[:min(len(was.version), len(is.version))]) < 0 &&
		is.name != "PostgreSQL",
		n > 0 && slices.Compare(after[:n], before[:n]) < 0:
		return fmt.Sprintf("%s %s takes the place of the newer %s, whose files it may not read", is.name, showVersion(is.version),
			showVersion(was.version))
	case is.name == "PostgreSQL" && was.musl != is.musl && len(is.version) > 0:
		return "images of PostgreSQL on Alpine and on Debian have other user ids and sort texts otherwise, so that indexes no longer match"
	}
	return ""
}

// otherNode tells that a broker would be another node, whose data is another
// folder of the same volume.
func otherNode(is edition, old, now side) string {
	if is.name != "RabbitMQ" {
		return ""
	}
	before, after := nodeName(old), nodeName(now)
	if before == after {
		return ""
	}
	if after == "" {
		host := old.hostname
		if _, declared, ok := strings.Cut(before, "@"); ok {
			host = declared
		}
		return fmt.Sprintf("the name of the node changes, as its host name is a new one in each container: queues, users and messages of %s "+
			"would be gone; write `hostname: %s` to keep them", before, host)
	}
	return fmt.Sprintf("the name of the node changes from %s to %s: queues, users and messages of the old one would be gone", before, after)
}

// nodeName returns the name of a RabbitMQ node, "" when it is a new one in each
// container.
func nodeName(s side) string {
	name, host := "rabbit", s.hostname
	if n := s.env["RABBITMQ_NODENAME"]; n != "" {
		left, right, both := strings.Cut(n, "@")
		if name = left; both {
			host = right
		}
	}
	if host == "" {
		return ""
	}
	if s.env["RABBITMQ_USE_LONGNAME"] != "true" {
		host, _, _ = strings.Cut(host, ".")
	}
	return name + "@" + host
}

// identityHazards tells what a replacement does to data that outlives it.
func identityHazards(want *resources.Resource, have *resources.Observed) []resources.Hazard {
	old, now, ok := sides(want, have)
	if !ok {
		return nil
	}
	return strands(old, now)
}

// sides returns the two containers of a replacement; ok is false where one of them
// is not known.
func sides(want *resources.Resource, have *resources.Observed) (old, now side, ok bool) {
	if want == nil || have == nil {
		return old, now, false
	}
	seen, is := have.Native.(*seenContainer)
	if !is || seen.inspect.Config == nil {
		return old, now, false
	}
	req, err := newRequest(want, &facts{API: "1.44"})
	if err != nil {
		return old, now, false
	}
	old = oldSide(&seen.inspect, cmpRef(have.Have.Text("image"), seen.inspect.Config.Image))
	return old, newSide(req, imageRef(want), old), true
}

// Empties tells why a broker that is replaced comes up without its topology.
func (k containerKind) Empties(want *resources.Resource, have *resources.Observed) string {
	old, now, ok := sides(want, have)
	if !ok {
		return ""
	}
	return empties(old, now)
}

func empties(old, now side) string {
	was, ok := editionOf(old.image, old.env)
	if !ok || was.name != "RabbitMQ" {
		return ""
	}
	folder := old.folder(was)
	source, at := old.holding(folder)
	if source == "" {
		return "its data is kept in the container itself"
	}
	is, ok := editionOf(now.image, nil)
	if !ok {
		return ""
	}
	if text := moved(was, is, old, now, folder, source, at); text != "" {
		return text
	}
	return otherNode(is, old, now)
}

func cmpRef(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// brokerName checks that the broker of the spec keeps its name, where it keeps
// its data.
func (c *checker) brokerName() {
	for _, b := range c.all.Of("broker") {
		r := c.all.Get(resources.NewAddr("service", b.Config.Text("service")))
		if r == nil || r.Config.Text("hostname") != "" || r.Config["network_mode"] != nil {
			continue
		}
		if env := r.Config.Map("environment"); strings.Contains(resources.Text(env["RABBITMQ_NODENAME"]), "@") {
			continue
		}
		for _, target := range sortedKeys(r.Config.Map("volumes")) {
			m := resources.Config(mapOf(r.Config.Map("volumes")[target]))
			if m.Bool("read_only") || !isUnder(target, "/var/lib/rabbitmq") && !isUnder(target, "/bitnami/rabbitmq") {
				continue
			}
			c.problem(ruleNodeName, r.Pos("/volumes"), "write `hostname: "+r.Addr.Parts()[0]+
				"`; for a broker that has data already, the host name that it has now",
				"%s keeps its data at %s under the name of its node, and has no fixed host name", r.Addr, target)
			break
		}
	}
}

func isUnder(target, dir string) bool {
	return target == dir || strings.HasPrefix(target, dir+"/")
}
