package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Settle is a container that runs as declared, or a job that has succeeded.
func (k containerKind) Settle(r *resources.Resource, o *resources.Observed, _ *resources.Resource) {
	remember := r.Seal(remembered(r))
	o.Have, o.Applied, o.State = bareConfig(r, func(*row) bool { return true }), &remember, "running"
	if k.name == "job" {
		o.State = "exited (0)"
		if r.Config.Text("run") == "always" {
			o.State = "" // that it runs at each apply is no difference between specs
		}
	}
	// The endpoints of any version will do.
	req, err := newRequest(r, &facts{API: "1.44"})
	if err != nil {
		return
	}
	running := k.name == "service"
	inspect := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{Name: "/" + req.Name, HostConfig: req.Host,
			State: &container.State{Running: running, Status: container.ContainerState(strings.Fields(o.State + " created")[0])}},
		Config: req.Config,
	}
	for _, m := range req.mounts() {
		p := container.MountPoint{Type: m.Type, Source: m.Source, Destination: m.Target, RW: !m.ReadOnly}
		if m.Type == mount.TypeVolume {
			p.Name = m.Source
		}
		inspect.Mounts = append(inspect.Mounts, p)
	}
	o.Native = &seenContainer{inspect: inspect}
}

// Settle is a volume: the engine knows it by its name alone.
func (volumeKind) Settle(r *resources.Resource, o *resources.Observed, _ *resources.Resource) {
	o.ID = r.Config.Text("name")
}

// Settle is an image that was built or pulled from what was declared then. It
// belongs to nobody, and stays when nothing runs it any more.
func (imageKind) Settle(r *resources.Resource, o *resources.Observed, now *resources.Resource) {
	o.Stack, o.Applied, o.Free = "", nil, true
	inspect := &image.InspectResponse{ID: o.ID, Config: &dockerspec.DockerOCIImageConfig{}}
	seen := &seenImageState{inspect: inspect}
	if p := strings.Split(r.Config.Text("platform"), "/"); p[0] != "" {
		p = append(p, "", "")
		inspect.Os, inspect.Architecture, inspect.Variant = p[0], p[1], p[2]
	} else if now != nil {
		// Without a platform it is the engine's own, whatever that is.
		p := append(strings.Split(now.Config.Text("platform"), "/"), "", "")
		inspect.Os, inspect.Architecture, inspect.Variant = p[0], p[1], p[2]
	}
	was, is := declaredInputs(r), declaredInputs(now)
	if was != nil && is != nil {
		inspect.Config.Labels = map[string]string{labelBuild: was.mark()}
		seen.inputs = is
	}
	o.Native = seen
}

// declaredInputs are what a build takes in as far as the spec and the files
// beside it tell, nil for an image that is not built or cannot be read.
func declaredInputs(r *resources.Resource) *buildInputs {
	if r == nil || !isBuilt(r) {
		return nil
	}
	rec, ok := r.Native.(*recipe)
	if !ok || rec.problem != nil {
		return nil
	}
	return &buildInputs{context: rec.digest, options: buildOptionsDigest(r)}
}

// readBounded reads the recipe through the spec, which reads nothing outside of
// its root, and takes the digest of the folder's files.
func (rec *recipe) readBounded(spec *specs.Spec, c resources.Config) error {
	name := c.Text("dockerfile")
	if name == "" {
		name = "Dockerfile"
	}
	read := func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(rec.folder, filepath.FromSlash(name))
		}
		text, _, err := spec.ReadFile(name, maxDockerfile, false)
		return text, err
	}
	var err error
	if inline := c.Text("dockerfile_inline"); inline != "" {
		rec.text = []byte(inline)
	} else if rec.text, err = read(name); err != nil {
		return errors.New("Dockerfile " + specs.Printable(name) + " " + readReason(err))
	}
	text, err := read(name + ignoreFile)
	if err != nil {
		text, err = read(ignoreFile)
	}
	if err != nil {
		text = nil
	}
	ignored, err := ignorePatterns(text)
	if err != nil {
		return err
	}
	sum := hashSink{sha256.New()}
	_ = sum.add(added(addedDockerfile, rec.text))
	err = spec.ReadFolder(rec.folder, maxContextFile, false, func(name string, mode fs.FileMode, text []byte) error {
		if out, err := ignored.MatchesOrParentMatches(filepath.FromSlash(name)); err != nil || out {
			return err
		}
		e := added(path.Clean(name), text)
		e.mode = 0o644 | mode&0o111 // as git keeps it
		return sum.add(e)
	})
	rec.digest = hex.EncodeToString(sum.Sum(nil))
	if err != nil {
		return errors.New("folder " + specs.Printable(filepath.Base(rec.folder)) + " " + readReason(err))
	}
	return nil
}

// maxContextFile bounds one file of a build's folder that is read to compare
// two specs, in bytes.
const maxContextFile = 64 << 20
