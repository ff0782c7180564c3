package docker

import (
	"fmt"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// request is one container as the engine is asked to create it.
type request struct {
	Name     string
	Config   *container.Config
	Host     *container.HostConfig
	Net      *network.NetworkingConfig            // what create takes: one endpoint below API 1.44
	Connect  map[string]*network.EndpointSettings // to connect after create, by the network's name on the engine
	Platform *ocispec.Platform
	// Beside is set while the container runs beside the one that it replaces, under
	// a name of its own.
	Beside bool
	// Unreached leaves the aliases out until the container is put in place.
	Unreached bool
}

// mounts returns what is mounted, in whichever form sendMounts sends it.
func (req *request) mounts() []mount.Mount {
	all := slices.Clone(req.Host.Mounts)
	for _, text := range req.Host.Binds {
		if m, err := shortMount(text); err == nil {
			all = append(all, mount.Mount{Type: mount.TypeBind, Source: resources.Text(m["source"]), Target: resources.Text(m["target"]),
				ReadOnly: m["read_only"] == true})
		}
	}
	return all
}

// draft is a request being built: each row of the table puts its value into it.
type draft struct {
	resource  *resources.Resource
	facts     *facts
	config    *container.Config
	host      *container.HostConfig
	endpoints map[string]*attachment // by the network's name on the engine
	platform  *ocispec.Platform
	err       error
}

// attachment is one network wanted. The one with the highest priority is the
// container's main network.
type attachment struct {
	network.EndpointSettings
	priority int64
}

// fail keeps the first error.
func (d *draft) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// newRequest builds the create call of a service or job. It never changes r
// and shares nothing with it. It reveals secrets: the request must not be
// printed.
func newRequest(r *resources.Resource, f *facts) (*request, error) {
	d := draftOf(r, f)
	if d.err != nil {
		return nil, fmt.Errorf("request of %s: %w", r.Addr, d.err)
	}
	if d.config.Labels == nil {
		d.config.Labels = map[string]string{}
	}
	maps.Copy(d.config.Labels, ownLabels(r, remembered(r)))
	d.config.Labels[labelEngine] = engineLabel(f)
	req := &request{Name: containerName(r), Config: d.config, Host: d.host, Platform: d.platform}
	d.place(req)
	return req, nil
}

func draftOf(r *resources.Resource, f *facts) *draft {
	d := &draft{resource: r, facts: f, config: &container.Config{}, host: &container.HostConfig{}, endpoints: map[string]*attachment{}}
	rows := rowsOf(r.Addr.Kind)
	for i := range rows {
		if v := r.Config[rows[i].Key]; v != nil && rows[i].send != nil {
			rows[i].send(d, v)
		}
	}
	return d
}

// place puts the endpoints where this API version takes them.
func (d *draft) place(req *request) {
	req.Net = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{}}
	if len(d.endpoints) == 0 {
		return
	}
	first := d.mainNetwork()
	d.host.NetworkMode = container.NetworkMode(first)
	all := dockerapi.AtLeast(d.facts.API, "1.44")
	for name, e := range d.endpoints {
		settings := e.Copy()
		switch {
		case all || name == first:
			if !all { // below 1.44 the client refuses it here and takes it there
				d.config.MacAddress, settings.MacAddress = settings.MacAddress, ""
			}
			req.Net.EndpointsConfig[name] = settings
		default:
			if req.Connect == nil {
				req.Connect = map[string]*network.EndpointSettings{}
			}
			req.Connect[name] = settings
		}
	}
}

// mainNetwork returns the network of the highest priority, the first by name
// among equals, "" when there is none.
func (d *draft) mainNetwork() string {
	first := ""
	for _, name := range slices.Sorted(maps.Keys(d.endpoints)) {
		if first == "" || d.endpoints[name].priority > d.endpoints[first].priority {
			first = name
		}
	}
	return first
}

// endpointsOf returns the endpoint settings wanted, by the network's name on
// the engine. It is empty when the service has a network mode of its own.
func endpointsOf(r *resources.Resource, f *facts) map[string]*network.EndpointSettings {
	d := draftOf(r, f)
	out := make(map[string]*network.EndpointSettings, len(d.endpoints))
	for name, e := range d.endpoints {
		out[name] = e.Copy()
	}
	return out
}

// updateOf translates the differences that the engine can change on a living
// container into its update call. false when there are none of that sort.
func updateOf(r *resources.Resource, d resources.Delta) (container.UpdateConfig, bool) {
	var u container.UpdateConfig
	any := false
	rows := rowsOf(r.Addr.Kind)
	for i := range rows {
		if rows[i].update != nil && d.Has(rows[i].Key) {
			rows[i].update(&u, r.Config)
			any = true
		}
	}
	return u, any
}

// containerName returns the container's name on the engine.
func containerName(r *resources.Resource) string {
	if name := r.Config.Text("container_name"); name != "" {
		return name
	}
	return r.Stack + "-" + r.Addr.Parts()[0]
}

// imageRef returns the image reference of a service or job: as written, or
// STACK-SERVICE for one that is only built; "" when it has neither.
func imageRef(r *resources.Resource) string {
	if ref := r.Config.Text("image"); ref != "" || r.Config["build"] == nil {
		return ref
	}
	return r.Stack + "-" + r.Addr.Parts()[0]
}

// remembered returns the declared fields as they are written on the container.
func remembered(r *resources.Resource) resources.Config {
	return bareConfig(r, func(row *row) bool { return !row.Unmarked })
}

func engineLabel(f *facts) string { return f.Version + "/" + f.API }
