package docker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/go-units"

	"github.com/LerianStudio/midaz-infra/resources"
)

// imageWriter fetches and builds images. It removes none.
type imageWriter struct{ e *Engine }

func (k imageWriter) Create(ctx context.Context, r *resources.Resource, note resources.Note) error {
	switch policy := policyOf(r); {
	case isBuilt(r):
		return k.build(ctx, r, note)
	case policy == "never":
		return &resources.Diagnosis{Err: fmt.Errorf("image %s is not on the engine, and its pull_policy is never", r.Addr.Name),
			Hint: fmt.Sprintf("load it (`docker load`), build it, or write `pull_policy: missing` to pull %s", r.Addr.Name)}
	default:
		err := k.pull(ctx, r, note)
		if err != nil && r.Config.Map("build") != nil && isNowhere(err) {
			note("the registry has none, building it")
			return k.build(ctx, r, note)
		}
		return err
	}
}

func (k imageWriter) Update(ctx context.Context, r *resources.Resource, _ *resources.Observed, _ resources.Delta,
	note resources.Note) error {
	return k.Create(ctx, r, note)
}

// Replace fetches or builds again.
func (k imageWriter) Replace(ctx context.Context, r *resources.Resource, _ *resources.Observed, note resources.Note) error {
	return k.Create(ctx, r, note)
}

// Delete leaves the image: it may be in use by what is not this stack's.
func (k imageWriter) Delete(context.Context, *resources.Observed, resources.Note) error { return nil }

func (k imageWriter) pull(ctx context.Context, r *resources.Resource, note resources.Note) error {
	ref := r.Addr.Name
	auth, err := k.e.auth.Header(ctx, ref)
	if err != nil {
		return err
	}
	note("pulling")
	// A pull that is cut off leaves nothing but layers that the next one uses,
	// so it ends with ctx.
	stream, err := k.e.api.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: auth, Platform: r.Config.Text("platform")})
	if err != nil {
		return pullError(ref, k.e.Host(), err)
	}
	defer func() { _ = stream.Close() }()
	progress := pullProgress{layers: map[string]layer{}}
	err = readProgress(stream, func(m *progressLine) {
		if text := progress.take(m); text != "" {
			note("%s", text)
		}
	})
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return pullError(ref, k.e.Host(), err)
	}
	found, err := k.e.imageNow(ctx, ref)
	if err != nil {
		return err
	}
	if found == nil {
		return fmt.Errorf("pull %s: the engine reports success but has no such image", ref)
	}
	return nil
}

// progressLine is one line of the engine's progress of a pull or build.
type progressLine struct {
	Stream   string `json:"stream"`
	Status   string `json:"status"`
	ID       string `json:"id"`
	Progress *struct {
		Current int64 `json:"current"`
		Total   int64 `json:"total"`
	} `json:"progressDetail"`
	Error *struct {
		Message string `json:"message"`
	} `json:"errorDetail"`
	ErrorText string          `json:"error"`
	Aux       json.RawMessage `json:"aux"`
}

// readProgress reads progress to its end. Errors stand in the stream, under a
// status of success.
func readProgress(r io.Reader, take func(*progressLine)) error {
	dec := json.NewDecoder(bufio.NewReader(r))
	for {
		var line progressLine
		if err := dec.Decode(&line); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("read progress: %w", err)
		}
		if line.Error != nil && line.Error.Message != "" {
			return errors.New(strings.TrimSpace(line.Error.Message))
		}
		if line.ErrorText != "" {
			return errors.New(strings.TrimSpace(line.ErrorText))
		}
		take(&line)
	}
}

type layer struct {
	current, total int64
	done           bool
}

// pullProgress sums up the layers of a pull.
type pullProgress struct {
	layers map[string]layer
	last   string
}

// take returns what to say now, "" when nothing new.
func (p *pullProgress) take(m *progressLine) string {
	if m.ID == "" || strings.HasPrefix(m.Status, "Pulling from") {
		return ""
	}
	l := p.layers[m.ID]
	switch {
	case strings.HasPrefix(m.Status, "Downloading") && m.Progress != nil:
		l.current, l.total = m.Progress.Current, max(l.total, m.Progress.Total)
	case m.Status == "Pull complete" || m.Status == "Already exists":
		l.done, l.current = true, l.total
	case strings.HasPrefix(m.Status, "Download complete"):
		l.current = l.total
	}
	p.layers[m.ID] = l
	var done int
	var current int64
	for _, l := range p.layers {
		current += l.current
		if l.done {
			done++
		}
	}
	text := fmt.Sprintf("pulling: %d of %d layers, %s", done, len(p.layers), units.HumanSizeWithPrecision(float64(current), 2))
	if text == p.last {
		return ""
	}
	p.last = text
	return text
}

// errNowhere marks that no registry has the image.
var errNowhere = errors.New("no such image in the registry")

func isNowhere(err error) bool { return errors.Is(err, errNowhere) }

func containsAny(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// pullError explains why an image could not be fetched, and what to do.
func pullError(ref, host string, err error) error {
	registry := "the registry"
	if named, parseErr := reference.ParseNormalizedNamed(ref); parseErr == nil {
		registry = reference.Domain(named)
	}
	return fetchError(fmt.Errorf("pull %s: %w", ref, err), registry, host)
}

// otherWays is what to do about an image that cannot be pulled.
const otherWays = "or bring the image to the engine another way: `docker load`, a `build:` in the spec, or an overlay that names " +
	"another image (`midaz apply -f SPEC -f OVERLAY`)"

// fetchError adds what to do to an error that came of asking a registry. An
// error of another sort is returned as it is.
func fetchError(err error, registry, host string) error {
	text := err.Error()
	switch {
	case containsAny(text, "no space left on device", "disk quota exceeded"):
		return &resources.Diagnosis{Err: err, Hint: diskHint(host)}
	case containsAny(text, "toomanyrequests", "rate limit"):
		return &resources.Diagnosis{Err: err, Hint: fmt.Sprintf("%s limits pulls without a login: `docker login`, or wait", registry)}
	case containsAny(text, "no matching manifest"):
		return &resources.Diagnosis{Err: err, Hint: "the image does not exist for this platform: set `platform`, or choose another image"}
	case containsAny(text, "no such host", "server misbehaving", "name resolution", "connection refused", "no route to host",
		"network is unreachable",
		"i/o timeout", "TLS handshake timeout", "Client.Timeout", "proxyconnect", "x509:", "awaiting headers"):
		return &resources.Diagnosis{Err: err,
			Hint: fmt.Sprintf("the engine cannot reach %s: check its network, DNS and proxy (`docker info`), %s", registry, otherWays)}
	case containsAny(text, "manifest unknown", "manifest for ", "repository name not known"):
		return &resources.Diagnosis{Err: fmt.Errorf("%w: %w", err, errNowhere),
			Hint: fmt.Sprintf("%s has no such name or tag: correct `image`, %s", registry, otherWays)}
	case containsAny(text, "pull access denied", "requested access to the resource is denied", "unauthorized", "authentication required",
		"no basic auth") || cerrdefs.IsUnauthorized(err):
		return &resources.Diagnosis{Err: fmt.Errorf("%w: %w", err, errNowhere),
			Hint: fmt.Sprintf("%s has no such image, or wants a login: correct `image`, or `docker login`, %s", registry, otherWays)}
	case containsAny(text, "connection reset", "unexpected EOF", "502 Bad Gateway", "503 Service Unavailable", "504 Gateway"):
		return resources.Transient(err)
	}
	return err
}

func diskHint(host string) string {
	return fmt.Sprintf("the disk of the engine at %s is full: see what takes the room with `docker system df`, and free some (`docker "+
		"builder prune`, `docker image prune`, logs of containers)", host)
}
