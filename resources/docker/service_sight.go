package docker

import (
	"github.com/docker/docker/api/types/container"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/LerianStudio/midaz-infra/resources"
)

// sight is one container as the engine shows it, with what is needed to tell
// what was asked for from what image and engine filled in by themselves.
type sight struct {
	c *container.InspectResponse
	// image is the configuration of the container's own image, nil when that
	// image is no longer there.
	image *dockerspec.DockerOCIImageConfig
	// want is the resource it is observed for, nil for one that no one declares.
	want    *resources.Resource
	applied *resources.Sealed
	facts   *facts
	// networks are the IDs of the engine's networks by name.
	networks map[string]string
	// current is the ID of the image that the wanted reference names now, ""
	// when there is none or none was asked for.
	current string
	// peerOf returns the container of that ID, the zero peer when it is not known;
	// nil where that cannot be asked.
	peerOf func(id string) peer
}

// config returns what is declared, nil when nothing is.
func (s *sight) config() resources.Config {
	if s.want == nil {
		return nil
	}
	return s.want.Config
}

// declares reports whether the field is declared with a value.
func (s *sight) declares(key string) bool { return !resources.IsEmpty(s.config()[key]) }

// before returns the field as last applied, nil when nothing is remembered.
func (s *sight) before(key string) resources.Value { return s.applied.Shape(key) }

// natural returns v, or nil when it is what holds without the field: filled,
// as image or engine give it. known tells whether that is known at all; when it
// is not, a field that no one declares and no one applied is taken for natural.
func (s *sight) natural(key string, v, filled resources.Value, known bool) resources.Value {
	p := part{v: v, filled: filled, known: known, want: s.config()[key], declared: s.declares(key), applied: s.applied.Has(key)}
	if p.isNatural() {
		return nil
	}
	return v
}

// part is a value on the engine that may be there without having been asked
// for.
type part struct {
	v, filled         resources.Value
	known             bool
	want              resources.Value
	declared, applied bool
}

// isNatural reports whether the value counts as not set: no one declares it,
// or someone does only now and it is still what it was without.
func (p part) isNatural() bool {
	switch {
	case p.declared && (p.applied || resources.Equal(p.v, p.want)):
		return false
	case p.known:
		return resources.Equal(p.v, p.filled)
	default:
		return !p.declared && !p.applied
	}
}

// imageField reads a text that the image provides when it is not declared.
func imageField(key string, get func(*container.Config) string,
	filled func(*dockerspec.DockerOCIImageConfig) string) func(*sight) resources.Value {
	return func(s *sight) resources.Value {
		v := get(s.c.Config)
		if s.image == nil {
			return s.natural(key, v, nil, v == "")
		}
		if v == "" && filled(s.image) == "" {
			return nil
		}
		return s.natural(key, v, filled(s.image), true)
	}
}

// hostText and the like read a value that is absent when zero.
func hostText(get func(*container.HostConfig) string) func(*sight) resources.Value {
	return func(s *sight) resources.Value { return textOrNil(get(s.c.HostConfig)) }
}

func hostInt(get func(*container.HostConfig) int64) func(*sight) resources.Value {
	return func(s *sight) resources.Value { return get(s.c.HostConfig) }
}

func hostBytes(get func(*container.HostConfig) int64) func(*sight) resources.Value {
	return func(s *sight) resources.Value { return resources.ShowBytes(get(s.c.HostConfig)) }
}

func hostBool(get func(*container.HostConfig) bool) func(*sight) resources.Value {
	return func(s *sight) resources.Value { return get(s.c.HostConfig) }
}

func textOrNil(s string) resources.Value {
	if s == "" {
		return nil
	}
	return s
}

// project returns the container's fields in canonical form, with secrets where
// the wanted or the applied value has one.
func (s *sight) project(kind string) resources.Config {
	out := resources.Config{}
	rows := rowsOf(kind)
	for i := range rows {
		if rows[i].seen == nil {
			continue
		}
		key := rows[i].Key
		if v := rows[i].seen(s); v != nil {
			out[key] = resources.SealLike(resources.SealLike(v, s.config()[key]), s.before(key))
		}
	}
	return out
}
