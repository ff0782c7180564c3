package docker

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
	"github.com/LerianStudio/midaz-infra/specs"
)

var _ = register(imageKind{})

// imageKind is an image that services or jobs run: pulled from a registry,
// built from a folder, or merely looked for. No one writes it; it follows from
// the services. Images are never removed: others may use them.
type imageKind struct{}

var imageTable = resources.Table{
	Kind: "image",
	Doc:  "An image that services or jobs run. It follows from their `image`, `build`, `pull_policy` and `platform`.",
	Fields: []resources.Field{
		{Key: "pull_policy", Type: resources.Enum("missing", "always", "never", "build"), Default: "missing", Unseen: true, Unmarked: true,
			Doc: "When it is fetched.", Example: "always", Other: "never"},
		{Key: "platform", Type: resources.String(), Unseen: true, Unmarked: true, Cost: resources.InPlace,
			Doc: "The platform it is for, as os/architecture[/variant].", Example: "linux/amd64", Other: "linux/arm64"},
		{Key: "build", Type: buildType, Unseen: true, Unmarked: true, Cost: resources.InPlace,
			Doc: "How it is built.", Example: "./app", Other: "./other"},
	},
}

var (
	ruleTwoBuilds = &specs.Rule{Code: "MZ083", Severity: specs.Error, Title: "one image made in two ways",
		Explain: "Two services run an image of one name but disagree on how it is built, or for which platform. The engine holds one image of " +
			"a name, so one of them would run the other's. Give them different `image` names, or the same `build` and `platform`."}
	ruleImageName = &specs.Rule{Code: "MZ084", Severity: specs.Error, Title: "image name not valid",
		Explain: "A built image without a name of its own is called STACK-SERVICE. Image names have small letters, digits and `.`, `_`, `-` " +
			"only. Write a valid name under `image`."}
	ruleNoContext = &specs.Rule{Code: "MZ085", Severity: specs.Error, Title: "build cannot be read",
		Explain: "The folder or the Dockerfile that an image is built from is not there, or cannot be read. Paths are relative to the spec, " +
			"that of the Dockerfile to the folder."}
)

// Names of the labels that a built image carries. They are not those of other
// objects: a container inherits the labels of its image.
const (
	labelBuild      = "midaz.build"       // buildMark of what it was built from
	labelBuildStack = "midaz.build.stack" // the stack that built it
)

// Table returns the fields of an image.
func (imageKind) Table() *resources.Table { return &imageTable }

// Replacement is to fetch or build it again.
func (imageKind) Replacement() resources.Replacement { return resources.OneStep }

// Rules returns the rules of images.
func (imageKind) Rules() []*specs.Rule {
	return []*specs.Rule{ruleTwoBuilds, ruleImageName, ruleNoContext}
}

// recipe is what follows from the spec alone for an image that is built.
type recipe struct {
	folder     string // the context, absolute
	dockerfile string // within it, with slashes; "" when it stands inline or outside
	text       []byte // the Dockerfile
	bases      []string
	buildKit   bool
	digest     string // of the folder's files, where it was read through the spec
	problem    error  // why it cannot be read
}

// Refs returns the images of the stack that it is built on.
func (imageKind) Refs(r *resources.Resource) []resources.Ref {
	rec, ok := r.Native.(*recipe)
	if !ok {
		return nil
	}
	refs := make([]resources.Ref, 0, len(rec.bases))
	for _, base := range rec.bases {
		refs = append(refs, resources.Ref{To: resources.ImageAddr(base), At: "/build", Bind: resources.Content, Optional: true})
	}
	return refs
}

// Derive returns the images of all services and jobs.
func (imageKind) Derive(all *resources.Declared) []*resources.Resource {
	byRef := map[string]*resources.Resource{}
	var out []*resources.Resource
	for _, r := range slices.Concat(all.Of("service"), all.Of("job")) {
		ref := imageRef(r)
		if ref == "" {
			continue
		}
		img := imageOf(r, ref)
		first := byRef[ref]
		if first == nil {
			byRef[ref] = img
			out = append(out, img)
			continue
		}
		merge(first, img)
	}
	for _, img := range out {
		readRecipe(all.Spec, img)
	}
	// Only bases that are images of the stack are of interest.
	for _, img := range out {
		if rec, ok := img.Native.(*recipe); ok {
			rec.bases = slices.DeleteFunc(rec.bases, func(b string) bool { return byRef[b] == nil || b == img.Addr.Name })
		}
	}
	return out
}

func imageOf(r *resources.Resource, ref string) *resources.Resource {
	img := &resources.Resource{Addr: resources.ImageAddr(ref), Stack: r.Stack, Node: r.Node, KeyPos: r.Pos("/image"), Dir: r.Dir,
		Dormant: r.Dormant, Config: resources.Config{}}
	build := r.Config.Map("build")
	if build != nil {
		img.Config["build"] = build
		img.KeyPos = r.Pos("/build")
	}
	if p := r.Config.Text("platform"); p != "" {
		img.Config["platform"] = p
	}
	switch policy := r.Config.Text("pull_policy"); {
	case policy != "":
		img.Config["pull_policy"] = policy
	case build != nil:
		img.Config["pull_policy"] = "build"
	}
	return img
}

// merge adds what another service says of the same image.
func merge(into, from *resources.Resource) {
	if into.Dormant && !from.Dormant {
		// What is on decides; what is off only adds what is not said.
		*into, *from = *from, *into
	}
	for key, v := range from.Config {
		have, ok := into.Config[key]
		switch {
		case !ok:
			into.Config[key] = v
			if key == "build" {
				into.KeyPos, into.Node, into.Dir = from.KeyPos, from.Node, from.Dir
			}
		case key == "pull_policy" && policyRank[resources.Text(v)] > policyRank[resources.Text(have)]:
			into.Config[key] = v
		}
	}
}

// policyRank orders policies by how much they ask for.
var policyRank = map[string]int{"never": 0, "missing": 1, "build": 2, "always": 3}

// policyOf returns the image's policy: missing, always, never or build.
func policyOf(r *resources.Resource) string {
	if p := r.Config.Text("pull_policy"); p != "" {
		return p
	}
	return "missing"
}

// isBuilt reports whether the image is made by building. With a policy of
// never, and with missing or always, which look at a registry first, it is not.
func isBuilt(r *resources.Resource) bool {
	return r.Config.Map("build") != nil && policyOf(r) == "build"
}

// Check finds images that two services want made differently, and builds that
// cannot be read.
func (imageKind) Check(all *resources.Declared, report resources.Report) {
	firsts := map[string]*resources.Resource{}
	for _, r := range slices.Concat(all.Of("service"), all.Of("job")) {
		ref := imageRef(r)
		if ref == "" || r.Dormant {
			continue
		}
		if _, err := reference.ParseAnyReference(ref); err != nil {
			report(ruleImageName.At(r.Pos("/build"), fmt.Sprintf("the image of %s would be named %q, which is not valid", r.Addr, ref),
				"write a name under `image`"))
			continue
		}
		first := firsts[ref]
		if first == nil {
			firsts[ref] = r
			continue
		}
		for _, key := range []string{"build", "platform"} {
			a, b := first.Config[key], r.Config[key]
			if a != nil && b != nil && !resources.Equal(a, b) {
				report(ruleTwoBuilds.At(r.Pos("/"+key), fmt.Sprintf("%s and %s run image %s with a different `%s`", first.Addr, r.Addr, ref, key),
					"give one of them another `image` name").
					And(first.Pos("/"+key), "the other one"))
			}
		}
	}
	for _, img := range all.Of("image") {
		if rec, ok := img.Native.(*recipe); ok && rec.problem != nil && !img.Dormant {
			report(ruleNoContext.At(img.Pos("/build"), fmt.Sprintf("%s: %v", img.Addr, rec.problem),
				"correct `build`; paths are relative to the spec"))
		}
	}
}

func (imageKind) reader(e *ReadEngine) resources.Reader { return imageReader{e} }
func (imageKind) writer(e *Engine) resources.Writer     { return imageWriter{e} }

// seenImageState is what was found of an image.
type seenImageState struct {
	inspect *image.InspectResponse
	inputs  *buildInputs // what it would be built from now; nil when it is not built
	remote  string       // digest that the registry has now, "" when it was not asked
}

// Compare tells what building or pulling would change.
func (imageKind) Compare(want *resources.Resource, have *resources.Observed) resources.Delta {
	seen, ok := have.Native.(*seenImageState)
	if !ok || seen.inspect == nil {
		return nil
	}
	var delta resources.Delta
	if seen.inputs != nil {
		delta = append(delta, seen.inputs.compare(labelsOfImage(seen.inspect)[labelBuild])...)
	}
	if seen.remote != "" && !hasDigest(seen.inspect, seen.remote) {
		delta = append(delta, resources.Diff{Path: "digest", Field: "pull_policy", Before: localDigest(seen.inspect), After: seen.remote,
			Cost: resources.InPlace, Pending: true,
			Why: "the registry has another image of that name now"})
	}
	if p := want.Config.Text("platform"); p != "" && !platformFits(p, seen.inspect) {
		delta = append(delta, resources.Diff{Path: "platform", Field: "platform", Before: platformOf(seen.inspect), After: p,
			Cost: resources.InPlace, Pending: true})
	}
	return delta
}

func labelsOfImage(i *image.InspectResponse) map[string]string {
	if i == nil || i.Config == nil {
		return nil
	}
	return i.Config.Labels
}

func hasDigest(i *image.InspectResponse, digest string) bool {
	return slices.ContainsFunc(i.RepoDigests, func(d string) bool { return strings.HasSuffix(d, "@"+digest) })
}

func localDigest(i *image.InspectResponse) resources.Value {
	if len(i.RepoDigests) == 0 {
		return nil
	}
	_, digest, _ := strings.Cut(i.RepoDigests[0], "@")
	return digest
}

func platformOf(i *image.InspectResponse) string { return path.Join(i.Os, i.Architecture, i.Variant) }

// platformFits compares as much of the platform as is wanted.
func platformFits(want string, i *image.InspectResponse) bool {
	have := []string{i.Os, i.Architecture, i.Variant}
	for n, part := range strings.Split(want, "/") {
		if n < len(have) && part != have[n] && !(n == 2 && have[n] == "") {
			return false
		}
	}
	return true
}

// imageReader asks for each image, and for what a build of it would take in.
type imageReader struct{ e *ReadEngine }

// readers bounds parallel questions of one observation: more only queue up in
// the engine.
const readers = 8

func (k imageReader) Observe(ctx context.Context, scope resources.Scope) ([]*resources.Observed, error) {
	out := make([]*resources.Observed, len(scope.Want))
	slots := make(chan struct{}, readers)
	var wg sync.WaitGroup
	for i, r := range scope.Want {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			o, err := k.one(ctx, r, scope.Owned)
			if err != nil {
				o = resources.NotRead(r.Addr, err)
				o.NotYet = false
			}
			out[i] = o
		})
	}
	wg.Wait()
	return out, ctx.Err()
}

func (k imageReader) one(ctx context.Context, r *resources.Resource, planning bool) (*resources.Observed, error) {
	ref := r.Addr.Name
	ask := k.e.imageNow
	if planning { // containers that run it ask for it too
		ask = k.e.image
	}
	found, err := ask(ctx, ref)
	if err != nil {
		return nil, err
	}
	// Images belong to nobody: any service may run one that is there.
	o := &resources.Observed{Addr: r.Addr, Free: true}
	if found == nil {
		return o, nil
	}
	seen := &seenImageState{inspect: found}
	o.Presence, o.ID, o.Native = resources.Present, found.ID, seen
	o.Have = resources.Config{"platform": platformOf(found)}
	switch {
	case isBuilt(r):
		if seen.inputs, err = k.e.inputsOf(ctx, r); err != nil {
			return nil, err
		}
	case policyOf(r) == "always":
		if seen.remote, err = k.remoteDigest(ctx, ref); err != nil {
			o.Notes = append(o.Notes, "the registry could not be asked whether it has a newer one: "+dockerapi.OneLine(err.Error()))
		}
	}
	return o, nil
}

// remoteDigest asks the registry, through the engine, what the reference names
// now. A reference with a digest never moves and is not asked for.
func (k imageReader) remoteDigest(ctx context.Context, ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", nil
	}
	if _, pinned := named.(reference.Digested); pinned {
		return "", nil
	}
	auth, err := k.e.auth.Header(ctx, ref)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	got, err := k.e.api.DistributionInspect(ctx, reference.TagNameOnly(named).String(), auth)
	if err != nil {
		return "", err
	}
	return string(got.Descriptor.Digest), nil
}

// buildInputs are digests of everything a build takes in.
type buildInputs struct {
	context string   // of the files
	options string   // of the options, secret arguments included
	bases   []string // IDs of the images of the stack that it is built on
}

// inputsOf reads the build's folder and hashes it.
func (e *ReadEngine) inputsOf(ctx context.Context, r *resources.Resource) (*buildInputs, error) {
	rec, ok := r.Native.(*recipe)
	if !ok || rec.problem != nil {
		return nil, fmt.Errorf("build of %s cannot be read", r.Addr)
	}
	sum := sha256.New()
	if err := rec.walk(ctx, hashSink{sum}); err != nil {
		return nil, fmt.Errorf("build folder of %s: %w", r.Addr, err)
	}
	in := &buildInputs{context: hex.EncodeToString(sum.Sum(nil)), options: buildOptionsDigest(r)}
	for _, base := range rec.bases {
		found, err := e.imageNow(ctx, base)
		if err != nil {
			return nil, err
		}
		if found != nil {
			in.bases = append(in.bases, found.ID)
		}
	}
	return in, nil
}

// buildOptionsDigest covers every option. It may hold secrets, so it only goes
// out under a key.
func buildOptionsDigest(r *resources.Resource) string {
	c := map[string]any{"platform": r.Config["platform"]}
	for k, v := range r.Config.Map("build") {
		if k != "context" { // its content counts, not where it lies
			c[k] = v
		}
	}
	sealed := sha256.New()
	_, _ = sealed.Write(resources.Canonical(revealed(c)))
	return hex.EncodeToString(sealed.Sum(nil))
}

// revealed returns the value with its secrets as digests, which unlike masks
// differ when the secrets do.
func revealed(v resources.Value) resources.Value {
	return specs.MapLeaves(v, func(v any) any {
		if secret, ok := v.(resources.Secret); ok {
			return secret.Digest([]byte("midaz build argument"))
		}
		return v
	})
}

// mark returns the label of an image built from these inputs: a random key and
// the digests under it, so that two images do not show that they share a
// secret argument.
func (in *buildInputs) mark() string {
	key := make([]byte, 8)
	_, _ = rand.Read(key) // never fails: crypto/rand aborts the program
	return in.markWith(hex.EncodeToString(key))
}

func (in *buildInputs) markWith(key string) string {
	parts := []string{"1", key}
	for _, text := range []string{in.context, in.options, strings.Join(in.bases, ",")} {
		mac := hmac.New(sha256.New, []byte(key))
		_, _ = mac.Write([]byte(text))
		parts = append(parts, hex.EncodeToString(mac.Sum(nil)[:16]))
	}
	return strings.Join(parts, ":")
}

// compare tells which inputs differ from those of the label.
func (in *buildInputs) compare(label string) resources.Delta {
	old := strings.Split(label, ":")
	diff := func(path, why string, before resources.Value, after string) resources.Diff {
		return resources.Diff{Path: path, Field: "build", Before: before, After: after, Why: why, Cost: resources.InPlace, Pending: true}
	}
	if len(old) != 5 || old[0] != "1" {
		d := diff("build", "the image was not built by midaz", nil, "built from "+shortID(in.context))
		d.Drift, d.Pending = true, true
		return resources.Delta{d}
	}
	now := strings.Split(in.markWith(old[1]), ":")
	var delta resources.Delta
	for i, field := range []struct{ path, why string }{
		{"build.context", "its files have changed"}, {"build.options", "its options have changed"},
		{"build.base", "the image it is built on has changed"},
	} {
		if old[i+2] != now[i+2] {
			delta = append(delta, diff(field.path, field.why, shortID(old[i+2]), shortID(now[i+2])))
		}
	}
	return delta
}
