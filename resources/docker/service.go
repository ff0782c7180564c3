package docker

import (
	"slices"

	"github.com/LerianStudio/midaz-infra/resources"
)

// containerKind is the kind `service` or `job`: a container that runs, or one
// that ends.
type containerKind struct{ name string }

var (
	_ = register(containerKind{"service"})
	_ = register(containerKind{"job"})

	_ resources.Recoverer = containerKind{}
)

var containerTables = map[string]*resources.Table{
	"service": {
		Kind: "service", Section: "services/*", Fields: fieldsOf(serviceRows), Refused: refusedKeys("service"), Names: dockerNames,
		Example: "{postgres: {image: \"postgres:17\", volumes: [\"postgres-data:/var/lib/postgresql/data\"]}}",
		Doc:     "A container that keeps running. Keys have the Compose Specification's spelling and forms.",
	},
	"job": {
		Kind: "job", Section: "jobs/*", Fields: fieldsOf(jobRows), Refused: refusedKeys("job"), Names: dockerNames,
		Example: "{postgres-init: {image: \"postgres:17\", run: on_change}}",
		Doc:     "A container that does one thing and ends; exit 0 is success. It has the keys of a service.",
	},
}

// Table returns the kind's table.
func (k containerKind) Table() *resources.Table { return containerTables[k.name] }

// Movable: a moved service is replaced, a job goes on as what it is.
func (k containerKind) Movable() {}

// Replacement says that a container is swapped, so that the old one can come
// back.
func (k containerKind) Replacement() resources.Replacement { return resources.SwapBack }

// Recover returns what an interrupted replacement has changed on the container
// that it set aside, or was about to: its name, its restart policy, and that it
// runs.
func (k containerKind) Recover(want *resources.Resource, have *resources.Observed) resources.Delta {
	return slices.DeleteFunc(k.Compare(want, have), func(d resources.Diff) bool {
		return !d.Drift || d.Cost != resources.InPlace || !slices.Contains([]string{"container_name", "restart", "state"}, d.Field)
	})
}

// Gate returns the gate of a service or job.
func (k containerKind) Gate(r *resources.Resource) (resources.Gate, bool) {
	g := gateOf(r)
	return resources.Gate{Text: g.masked(r.Config.Map("gate")).text(), Timeout: g.Timeout}, true
}

func isContainer(kind string) bool { return slices.Contains([]string{"service", "job"}, kind) }

func (k containerKind) reader(e *ReadEngine) resources.Reader { return containerReader{e, k} }

func (k containerKind) writer(e *Engine) resources.Writer { return containerWriter{e} }
