package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/go-connections/nat"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// richImage provides everything that an image can provide.
func richImage() *dockerspec.DockerOCIImageConfig {
	img := &dockerspec.DockerOCIImageConfig{}
	img.User, img.WorkingDir, img.StopSignal = "app", "/app", "SIGUSR1"
	img.Env = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "APP_TOKEN=image"}
	img.Entrypoint, img.Cmd = []string{"/entry"}, []string{"serve", "-v"}
	img.ExposedPorts = map[string]struct{}{"9000/tcp": {}}
	img.Volumes = map[string]struct{}{"/var/lib/app": {}}
	img.Labels = map[string]string{"org.example.vendor": "example", "midaz.build": "x"}
	img.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/check"}, Interval: 7e9, Retries: 4}
	return img
}

// model is an engine as far as it turns requests into what inspect shows.
type model struct {
	api   string
	image *dockerspec.DockerOCIImageConfig
	info  system.Info
	// placed are the files of the container that was made last.
	placed map[string]any
	names  map[string]string // of containers, by ID
}

func newModel(api string) *model {
	return &model{api: api, image: richImage(), names: map[string]string{}, info: system.Info{ServerVersion: "test", SwapLimit: true,
		OomKillDisable: true, CgroupVersion: "1"}}
}

func (m *model) facts() *facts {
	return &facts{API: m.api, Version: m.info.ServerVersion, Info: m.info}
}

// idOf returns the ID of a thing by its name.
func idOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

// show returns what inspect of the created container gives, after the engine's
// rules: see the facts that each line repeats.
func (m *model) show(req *request, status string) *container.InspectResponse {
	id := idOf("container " + req.Name)
	c, h := *req.Config, *req.Host
	m.mergeImage(&c)
	if c.Hostname == "" {
		c.Hostname = id[:12]
	}
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	if h.NetworkMode == "" {
		h.NetworkMode = "default"
		if m.at("1.45") {
			h.NetworkMode = "bridge"
		}
	}
	for _, mode := range []*string{(*string)(&h.NetworkMode), (*string)(&h.IpcMode), (*string)(&h.PidMode)} {
		if name, ok := strings.CutPrefix(*mode, "container:"); ok {
			m.names[idOf(name)] = name
			*mode = "container:" + idOf(name)
		}
	}
	if h.NetworkMode.IsContainer() { // its names are the other's
		c.Hostname, c.Domainname = "peer", "peer.example"
	}
	if h.RestartPolicy.Name == "" && m.at("1.44") {
		h.RestartPolicy.Name = "no"
	}
	if h.Memory > 0 && h.MemorySwap == 0 {
		h.MemorySwap = 2 * h.Memory
	}
	if h.OomKillDisable == nil {
		off := false
		h.OomKillDisable = &off
	}
	if h.ShmSize == 0 {
		h.ShmSize = 64 << 20
	}
	if h.Runtime == "" {
		h.Runtime = "runc"
	}
	if h.IpcMode == "" {
		h.IpcMode = "private"
	}
	if h.CgroupnsMode == "" {
		h.CgroupnsMode = "host"
	}
	if h.Privileged || h.PidMode == "host" || h.IpcMode == "host" {
		h.SecurityOpt = append(slices.Clone(h.SecurityOpt), "label=disable")
	}
	if h.LogConfig.Type == "" || h.LogConfig.Type == "json-file" { // the daemon's own options, merged under
		options := map[string]string{"max-size": "5m", "tag": "daemon"}
		maps.Copy(options, h.LogConfig.Config)
		h.LogConfig = container.LogConfig{Type: "json-file", Config: options}
	}
	if !m.at("1.43") {
		h.Annotations = nil
	}
	out := &container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{ID: id, Name: "/" + req.Name, Image: "sha256:" + idOf("image"), HostConfig: &h,
			State: &container.State{Status: container.ContainerState(status), Running: status == "running"}},
		Config:          &c,
		NetworkSettings: &container.NetworkSettings{Networks: map[string]*network.EndpointSettings{}},
	}
	endpoints := maps.Clone(req.Net.EndpointsConfig)
	maps.Copy(endpoints, req.Connect)
	if len(endpoints) == 0 && !h.NetworkMode.IsContainer() {
		name := string(h.NetworkMode)
		if name == "default" {
			name = "bridge"
		}
		endpoints = map[string]*network.EndpointSettings{name: {}}
	}
	for name, e := range endpoints {
		out.NetworkSettings.Networks[name] = m.Endpoint(e.Copy(), name, out, status)
	}
	return out
}

func (m *model) at(api string) bool { return dockerapi.AtLeast(m.api, api) }

func (m *model) Endpoint(e *network.EndpointSettings, name string, c *container.InspectResponse, status string) *network.EndpointSettings {
	if status != "created" {
		e.NetworkID = idOf("network " + name)
		e.EndpointID = idOf("endpoint " + name)
	}
	if !m.at("1.45") {
		e.Aliases = append(e.Aliases, c.ID[:12])
		if c.Config.Hostname != c.ID[:12] {
			e.Aliases = append(e.Aliases, c.Config.Hostname)
		}
	}
	if status == "running" && e.MacAddress == "" {
		e.MacAddress = "02:42:ac:00:00:02"
		if fixed := c.Config.MacAddress; fixed != "" && string(c.HostConfig.NetworkMode) == name {
			e.MacAddress = fixed
		}
	}
	if status != "running" && m.at("1.44") {
		e.MacAddress = ""
	}
	if !m.at("1.48") {
		e.GwPriority = 0
	}
	return e
}

func (m *model) mergeImage(c *container.Config) {
	img := m.image
	if img == nil {
		return
	}
	if len(c.Entrypoint) == 0 && c.Entrypoint == nil {
		if len(c.Cmd) == 0 {
			c.Cmd = img.Cmd
		}
		c.Entrypoint = img.Entrypoint
	} else if len(c.Entrypoint) == 1 && c.Entrypoint[0] == "" {
		c.Entrypoint = nil
	}
	have := envMap(c.Env)
	c.Env = slices.Clone(c.Env)
	for _, e := range img.Env {
		key, _, _ := strings.Cut(e, "=")
		if _, ok := have[key]; !ok {
			c.Env = append(c.Env, e)
		}
	}
	if c.User == "" {
		c.User = img.User
	}
	if c.WorkingDir == "" {
		c.WorkingDir = img.WorkingDir
	}
	if c.StopSignal == "" {
		c.StopSignal = img.StopSignal
	}
	labels := maps.Clone(img.Labels)
	maps.Copy(labels, c.Labels)
	c.Labels = labels
	ports := nat.PortSet{}
	for p := range img.ExposedPorts {
		ports[nat.Port(p)] = struct{}{}
	}
	maps.Copy(ports, c.ExposedPorts)
	c.ExposedPorts = ports
	c.Volumes = maps.Clone(img.Volumes)
	if h := img.Healthcheck; h != nil {
		merged := *h
		if own := c.Healthcheck; own != nil {
			if len(own.Test) > 0 {
				merged.Test = own.Test
			}
			if own.Interval != 0 {
				merged.Interval = own.Interval
			}
			if own.Timeout != 0 {
				merged.Timeout = own.Timeout
			}
			if own.StartPeriod != 0 {
				merged.StartPeriod = own.StartPeriod
			}
			if own.StartInterval != 0 {
				merged.StartInterval = own.StartInterval
			}
			if own.Retries != 0 {
				merged.Retries = own.Retries
			}
		}
		c.Healthcheck = &merged
	}
}

// observe returns the container as the reader would, observed for want.
func (m *model) observe(c *container.InspectResponse, want *resources.Resource) *resources.Observed {
	s := &sight{c: c, image: m.image, want: want, facts: m.facts(), applied: appliedOf(c.Config.Labels), current: c.Image,
		networks: map[string]string{}, peerOf: func(id string) peer { return peer{name: m.names[id]} }}
	for name, e := range c.NetworkSettings.Networks {
		if e.NetworkID != "" {
			s.networks[name] = e.NetworkID
		}
	}
	o := &resources.Observed{Addr: resources.NewAddr("service", "web"), Presence: resources.Present, Applied: s.applied, ID: c.ID,
		State: stateText(c),
		Have:  s.project("service"), Native: &seenContainer{inspect: *c, current: c.Image}}
	if want != nil {
		o.Addr = want.Addr
		files := map[string]any{}
		for _, f := range filesOf(want) {
			if have, ok := m.placed[f.Target]; ok {
				files[f.Target] = have
			}
		}
		o.Have["files"] = files
	}
	o.Stack, o.Owner = ownerOf(c.Config.Labels)
	return o
}
