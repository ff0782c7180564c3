package docker

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/docker/docker/api/types/image"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/LerianStudio/midaz-infra/resources"
)

func derived(t *testing.T, text string) (map[string]*resources.Resource, []string) {
	t.Helper()
	set, ps := declared(t, text)
	out := map[string]*resources.Resource{}
	for _, r := range (imageKind{}).Derive(set) {
		out[r.Addr.String()] = r
	}
	return out, codes(ps)
}

func TestImagesAreDerived(t *testing.T) {
	got, _ := derived(t, `
services:
  a: { image: "postgres:17", pull_policy: always }
  b: { image: "postgres:17" }
  c: { image: "postgres:17", pull_policy: never }
  d: { image: "valkey:8", platform: linux/arm64 }
jobs:
  e: { image: "valkey:8" }
`)
	if len(got) != 2 || policyOf(got["image/postgres:17"]) != "always" || got["image/valkey:8"].Config.Text("platform") != "linux/arm64" {
		t.Errorf("%v", got)
	}
	if policyOf(got["image/valkey:8"]) != "missing" || isBuilt(got["image/valkey:8"]) {
		t.Errorf("%v", got["image/valkey:8"].Config)
	}
}

func TestImagesAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"services: { a: { image: \"x:1\", platform: linux/amd64 }, b: { image: \"x:1\", platform: linux/arm64 } }": "MZ083",
		"services: { a: { image: \"x:1\", platform: linux/amd64 }, b: { image: \"x:1\" } }":                        "",
	} {
		set, _ := declared(t, text)
		all := append(set.Resources, (imageKind{}).Derive(set)...)
		var got []string
		(imageKind{}).Check(resources.NewDeclared(set.Spec, set.Kinds, all), collect(&got))
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %q", text, got, want)
		}
	}
}

// folder makes a build's folder with these files; a name that begins with
// "link:" is a symbolic link.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		link := false
		if rest, ok := strings.CutPrefix(name, "link:"); ok {
			name, link = rest, true
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if link {
			err = os.Symlink(text, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func recipeIn(t *testing.T, dir string, build map[string]any) *resources.Resource {
	t.Helper()
	build["context"] = dir
	img := &resources.Resource{Addr: resources.ImageAddr("app:1"), Stack: "s",
		Config: resources.Config{"build": build, "pull_policy": "build"}}
	readRecipe(nil, img)
	if rec := img.Native.(*recipe); rec.problem != nil {
		t.Fatal(rec.problem)
	}
	return img
}

// names returns what a build sends.
func names(t *testing.T, img *resources.Resource) []string {
	t.Helper()
	var buf bytes.Buffer
	if err := img.Native.(*recipe).tar(t.Context(), &buf); err != nil {
		t.Fatal(err)
	}
	var out []string
	r := tar.NewReader(&buf)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		name := h.Name
		if h.Linkname != "" {
			name += " -> " + h.Linkname
		}
		if h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", h.Name, h.Uid, h.Gid)
		}
		out = append(out, name)
	}
}

func TestBuildSendsWhatIsNotIgnored(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		build map[string]any
		want  []string
	}{
		"all": {map[string]string{"Dockerfile": "FROM x", "a/b": "1"}, map[string]any{}, []string{"Dockerfile", "a/", "a/b"}},
		"ignored, but for the Dockerfile": {map[string]string{"Dockerfile": "FROM x", ".dockerignore": "*\n!keep", "a/b": "1", "keep": "1"},
			map[string]any{},
			[]string{".dockerignore", "Dockerfile", "keep"}},
		"an exception in an ignored folder": {map[string]string{"Dockerfile": "FROM x", ".dockerignore": "a\n!a/keep", "a/b": "1", "a/keep": "1"},
			map[string]any{},
			[]string{".dockerignore", "Dockerfile", "a/keep"}},
		"the Dockerfile's own ignore file": {map[string]string{"d/Dockerfile": "FROM x", "d/Dockerfile.dockerignore": "b", ".dockerignore": "a",
			"a": "1", "b": "1"}, map[string]any{"dockerfile": "d/Dockerfile"},
			[]string{".dockerignore", "a", "d/", "d/Dockerfile", "d/Dockerfile.dockerignore"}},
		"links stay links": {map[string]string{"Dockerfile": "FROM x", "link:out": "/etc/passwd", "link:dir": ".."}, map[string]any{},
			[]string{"Dockerfile", "dir -> ..", "out -> /etc/passwd"}},
		"inline": {map[string]string{"a": "1", ".dockerignore": "b", "b": "1"}, map[string]any{"dockerfile_inline": "FROM x"},
			[]string{"a", ".dockerignore", addedDockerfile}},
	} {
		if got := names(t, recipeIn(t, folder(t, c.files), c.build)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A Dockerfile that is a link to the outside is not followed.
func TestDockerfileStaysInside(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("FROM secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	img := &resources.Resource{Config: resources.Config{"build": map[string]any{"context": folder(t,
		map[string]string{"link:Dockerfile": secret})}}}
	readRecipe(nil, img)
	if rec := img.Native.(*recipe); rec.problem == nil {
		t.Errorf("read %q", rec.text)
	}
	// One that the spec itself names outside of the folder is read.
	img = recipeIn(t, folder(t, map[string]string{"a": "1"}), map[string]any{"dockerfile": secret})
	if rec := img.Native.(*recipe); string(rec.text) != "FROM secret" || rec.name() != addedDockerfile {
		t.Errorf("%+v", rec)
	}
}

// Opening a pipe would wait for a writer; a test that hangs is the failure.
func TestBuildReadsNoPipes(t *testing.T) {
	pipe := func(dir, name string) string {
		t.Helper()
		at := filepath.Join(dir, name)
		if err := syscall.Mkfifo(at, 0o600); err != nil {
			t.Skip(err)
		}
		return at
	}
	dir := folder(t, map[string]string{"a": "1"})
	for _, name := range []string{filepath.Base(pipe(dir, "pipe")), pipe(t.TempDir(), "outside"), "/proc/kmsg"} {
		img := &resources.Resource{Config: resources.Config{"build": map[string]any{"context": dir, "dockerfile": name}}}
		readRecipe(nil, img)
		if rec := img.Native.(*recipe); rec.problem == nil || !strings.Contains(rec.problem.Error(), "not a regular file") {
			t.Errorf("%s: %v", name, rec.problem)
		}
	}
	dir = folder(t, map[string]string{"Dockerfile": "FROM x"})
	pipe(dir, ignoreFile)
	img := &resources.Resource{Config: resources.Config{"build": map[string]any{"context": dir}}}
	readRecipe(nil, img)
	if err := img.Native.(*recipe).walk(t.Context(), hashSink{sha256.New()}); err == nil ||
		!strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("%s: %v", ignoreFile, err)
	}
}

func TestDockerfileIsUnderstood(t *testing.T) {
	for text, want := range map[string]string{
		"FROM a:1\nRUN x": "[a:1] false",
		"ARG V=2\nARG W\nFROM --platform=linux/amd64 a:$V AS one\nFROM ${W:-b} as two\nFROM one\nCOPY --from=two /x /\nCOPY --from=c:3 /x /": "[a:2 b c:3] false",
		"FROM scratch\nCOPY x /":                        "[] false",
		"# syntax=docker/dockerfile:1\nFROM a":          "[a] true",
		"FROM a\n# syntax=docker/dockerfile:1":          "[a] false",
		"FROM a\nRUN --mount=type=cache,target=/x make": "[a] true",
		"FROM a\nCOPY --chown=1:1 --chmod=755 x /":      "[a] true",
		"FROM a\nCOPY --chown=1:1 x /":                  "[a] false",
		"FROM a\nRUN <<EOF\nls\nEOF":                    "[a] true",
		"FROM a\nRUN echo a << 2":                       "[a] false",
		"ARG BASE=x\nFROM $BASE":                        "[given] false",
	} {
		rec := &recipe{text: []byte(text)}
		rec.parse(map[string]string{"BASE": "given"})
		if got := fmt.Sprint(rec.bases, rec.buildKit); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestBuildInputsAreCompared(t *testing.T) {
	inputs := func(dir string, build map[string]any) *buildInputs {
		e := &ReadEngine{}
		in, err := e.inputsOf(t.Context(), recipeIn(t, dir, build))
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	dir := folder(t, map[string]string{"Dockerfile": "FROM scratch", "a": "1", ".dockerignore": "log"})
	args := map[string]any{"args": map[string]any{"A": "1", "TOKEN": resources.NewSecret("hunter2")}}
	mark := inputs(dir, args).mark()
	if strings.Contains(mark, "hunter2") || mark == inputs(dir, args).mark() {
		t.Error("the mark shows too much: " + mark)
	}
	paths := func(in *buildInputs) string {
		var out []string
		for _, d := range in.compare(mark) {
			if d.Cost != resources.InPlace {
				t.Errorf("%+v", d)
			}
			out = append(out, d.Path)
		}
		return strings.Join(out, " ")
	}
	if got := paths(inputs(dir, args)); got != "" {
		t.Errorf("the same: %q", got)
	}
	if got := paths(inputs(folder(t, map[string]string{"Dockerfile": "FROM scratch", "a": "1", ".dockerignore": "log", "log": "x"}),
		args)); got != "" {
		t.Errorf("an ignored file, in another folder: %q", got)
	}
	if got := paths(inputs(folder(t, map[string]string{"Dockerfile": "FROM scratch", "a": "2", ".dockerignore": "log"}),
		args)); got != "build.context" {
		t.Errorf("another file: %q", got)
	}
	if got := paths(inputs(dir, map[string]any{"args": map[string]any{"A": "1",
		"TOKEN": resources.NewSecret("hunter3")}})); got != "build.options" {
		t.Errorf("another secret: %q", got)
	}
	if err := os.Chmod(filepath.Join(dir, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := paths(inputs(dir, args)); got != "build.context" {
		t.Errorf("other permissions: %q", got)
	}
	for _, label := range []string{"", "x", "2:a:b:c:d"} {
		if d := inputs(dir, args).compare(label); len(d) != 1 || d[0].Path != "build" {
			t.Errorf("label %q: %v", label, d)
		}
	}
}

func TestImageIsCompared(t *testing.T) {
	want := &resources.Resource{Config: resources.Config{"platform": "linux/amd64"}}
	i := &image.InspectResponse{ID: "sha256:1", Os: "linux", Architecture: "amd64", RepoDigests: []string{"x@sha256:aa"},
		Config: &dockerspec.DockerOCIImageConfig{}}
	paths := func(s *seenImageState) string {
		var out []string
		for _, d := range (imageKind{}).Compare(want, &resources.Observed{Native: s}) {
			out = append(out, d.Path)
		}
		return strings.Join(out, " ")
	}
	if got := paths(&seenImageState{inspect: i, remote: "sha256:aa"}); got != "" {
		t.Error(got)
	}
	if got := paths(&seenImageState{inspect: i, remote: "sha256:bb"}); got != "digest" {
		t.Error(got)
	}
	i.Architecture = "arm64"
	if got := paths(&seenImageState{inspect: i}); got != "platform" {
		t.Error(got)
	}
	i.Architecture, i.Variant = "amd64", "v8"
	if got := paths(&seenImageState{inspect: i}); got != "" {
		t.Error(got)
	}
}

func TestProgressHidesErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"stream":"a"}{"errorDetail":{"message":"boom "},"error":"boom"}`: "boom",
		`{"error":"old form"}`: "old form",
		`{"stream":"a"}`:       "",
		`{"stream":`:           "read progress: unexpected EOF",
		`nonsense`:             "read progress: invalid character 'o' in literal null (expecting 'u')",
	} {
		err := readProgress(strings.NewReader(text), func(*progressLine) {})
		if got := fmt.Sprint(err); got != want && !(want == "" && err == nil) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	p := pullProgress{layers: map[string]layer{}}
	var said []string
	err := readProgress(strings.NewReader(`{"status":"Pulling from library/x","id":"17"}
		{"status":"Downloading","progressDetail":{"current":1000000,"total":2000000},"id":"a"}{"status":"Downloading","progressDetail":{"current":1000000,"total":2000000},"id":"a"}
		{"status":"Already exists","id":"b"}{"status":"Pull complete","id":"a"}`), func(m *progressLine) {
		if s := p.take(m); s != "" {
			said = append(said, s)
		}
	})
	if want := "[pulling: 0 of 1 layers, 1MB pulling: 1 of 2 layers, 1MB pulling: 2 of 2 layers, 2MB]"; err != nil ||
		fmt.Sprint(said) != want {
		t.Errorf("%v %v", said, err)
	}
}

func TestPullErrorsSayWhatToDo(t *testing.T) {
	for text, hint := range map[string]string{
		"manifest for postgres:99 not found: manifest unknown: manifest unknown":                                         "no such name or tag",
		"pull access denied for nosuch, repository does not exist or may require 'docker login': denied":                 "docker login",
		"Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io on 127.0.0.53:53: no such host": "cannot reach docker.io",
		"Get \"http://localhost:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused":                              "cannot reach",
		"toomanyrequests: You have reached your pull rate limit":                                                         "limits pulls",
		"write /var/lib/docker/tmp/GetImageBlob: no space left on device":                                                "docker system df",
		"no matching manifest for linux/arm64 in the manifest list entries":                                              "platform",
	} {
		err := pullError("postgres:99", "unix:///s", errors.New(text))
		var d *resources.Diagnosis
		if !errors.As(err, &d) || !strings.Contains(d.Hint, hint) || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: %+v", err, d)
		}
	}
	if err := pullError("x", "", errors.New("read: connection reset by peer")); !resources.IsTransient(err) {
		t.Error("a broken connection is not tried again")
	}
}

func TestOutputOfABuildIsMasked(t *testing.T) {
	hide := hider(&resources.Resource{}, map[string]any{"args": map[string]any{"A": resources.NewSecret("hunter2hunter2"), "B": "plain"},
		"x": []any{resources.NewSecret("")}})
	if got := hide("Step 1: hunter2hunter2 plain"); got != "Step 1: "+resources.Masked+" plain" {
		t.Error(got)
	}
	if got := hider(&resources.Resource{}, nil)("x"); got != "x" {
		t.Error(got)
	}
}
