package docker

import (
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/LerianStudio/midaz-infra/resources"
)

// imageRows say what a container is made from.
var imageRows = []row{
	{
		Field: resources.Field{Key: "image", Name: true, Type: resources.Checked("an image reference", checkImage), Cost: resources.Remake,
			Doc: "The image to run, as `name:tag`, `name@sha256:digest` or an image ID. Needed unless `build` is given; with both, the built " +
				"image gets this name.",
			Example: "postgres:17", Other: "postgres:18"},
		send: func(d *draft, v resources.Value) { d.config.Image = resources.Text(v) },
		seen: seenImage,
	},
	{
		Field: resources.Field{Key: "build", Type: buildType, Cost: resources.Remake, Unseen: true, Unmarked: true,
			Doc: "Builds the image from a folder with a Dockerfile: the folder, or a map with `context`, `dockerfile`, `args` and more. The " +
				"image is named by `image`, or STACK-SERVICE.",
			Example: "{context: ./app, dockerfile: Dockerfile, args: {VERSION: \"1\"}}", Other: "./app"},
	},
	{
		Field: resources.Field{Key: "pull_policy", Type: refined{resources.Enum("missing", "if_not_present", "always", "never", "build"),
			pullPolicy},
			Default: "missing", Unseen: true, Unmarked: true,
			Doc: "When the image is fetched: `missing` only if the engine has none of that name, `always` at each apply, `never`, or `build` " +
				"to build it. `if_not_present` is another word for `missing`.",
			Example: "always", Other: "never"},
	},
	{
		Field: resources.Field{Key: "platform", Type: resources.Checked("a platform such as linux/amd64", checkPlatform), Cost: resources.Remake,
			Unseen: true, Since: "1.41",
			Doc:     "The platform of the image to use, as `os/architecture` or `os/architecture/variant`.",
			Example: "linux/amd64", Other: "linux/arm64"},
		send: func(d *draft, v resources.Value) {
			parts := strings.Split(resources.Text(v), "/")
			d.platform = &ocispec.Platform{OS: parts[0], Architecture: parts[1]}
			if len(parts) > 2 {
				d.platform.Variant = parts[2]
			}
		},
	},
}

// buildType is how an image is built. The image kind reads it.
var buildType = resources.Object{
	What: "a build", ShortDoc: "FOLDER",
	Short: func(text string) (map[string]any, error) { return map[string]any{"context": text}, nil },
	Fields: []resources.Field{
		{Key: "context", Type: resources.String(), Default: ".", Example: "./app", Other: "./other",
			Doc: "The folder that is sent to the engine, relative to the spec."},
		{Key: "dockerfile", Type: resources.String(), Default: "Dockerfile", Example: "Dockerfile.dev", Other: "Containerfile",
			Doc: "The Dockerfile, relative to the context."},
		{Key: "dockerfile_inline", Type: resources.String(), Example: "\"FROM scratch\"", Other: "\"FROM alpine\"",
			Doc: "The Dockerfile's text, instead of a file."},
		{Key: "args", Type: envType{}, Example: "{VERSION: \"1\"}", Other: "[VERSION=2]", Doc: "Build arguments."},
		{Key: "target", Type: resources.String(), Example: "runtime", Other: "debug", Doc: "The stage to build."},
		{Key: "labels", Type: resources.Labels(), Example: "{team: ledger}", Other: "[team=core]", Doc: "Labels of the image."},
		{Key: "cache_from", Type: resources.List(resources.String()), Example: "[\"app:cache\"]", Other: "[\"app:old\"]",
			Doc: "Images whose layers may be used again."},
		{Key: "network", Type: resources.String(), Example: "host", Other: "none", Doc: "The network that RUN steps use."},
		{Key: "pull", Type: resources.Bool(), Default: false, Example: "true", Other: "false",
			Doc: "Fetch newer versions of the images it builds on."},
		{Key: "no_cache", Type: resources.Bool(), Default: false, Example: "true", Other: "false", Doc: "Do not use layers of earlier builds."},
		{Key: "extra_hosts", Type: extraHostsType{}, Example: "[\"db:10.0.0.5\"]", Other: "{db: 10.0.0.6}",
			Doc: "Additional names that RUN steps can resolve."},
		{Key: "shm_size", Type: resources.Bytes(), Example: "64m", Other: "128m", Doc: "Size of /dev/shm in RUN steps."},
		{Key: "tags", Name: true, Type: resources.List(resources.Checked("an image reference", checkImage)), Example: "[\"app:dev\"]",
			Other: "[\"app:test\"]", Doc: "Further names for the image."},
	},
	Refused: map[string]string{
		"secrets": "build secrets need a BuildKit session, which the engine's plain API has not; pass what is not secret as " +
			"`args`, and build images with secrets outside",
		"ssh": "SSH forwarding needs a BuildKit session, which the engine's plain API has not; build the image outside and " +
			"name it with `image`",
		"cache_to":            "exporting a build cache needs a BuildKit session; build the image outside and name it with `image`",
		"additional_contexts": "several contexts need a BuildKit session; copy what is needed into one context",
		"platforms":           "images for several platforms are built outside; write `platform` at the service for one",
		"privileged":          "the engine's API builds without privileges",
		"isolation":           "it exists on Windows only",
		"entitlements":        "they need a BuildKit session",
		"provenance":          "attestations need a BuildKit session",
		"sbom":                "attestations need a BuildKit session",
		"ulimits":             "limits of RUN steps are not supported; set them in the Dockerfile's commands",
	},
	Finish: func(v map[string]any) error {
		if v["dockerfile"] != nil && v["dockerfile_inline"] != nil {
			return errors.New("write either dockerfile or dockerfile_inline")
		}
		return nil
	},
}

func checkImage(s string) (string, error) {
	if _, err := reference.ParseAnyReference(s); err != nil { // its text can repeat the value
		return "", errors.New("it is not NAME:TAG, NAME@DIGEST or an ID; names have small letters")
	}
	return s, nil
}

func checkPlatform(s string) (string, error) {
	parts := strings.Split(strings.ToLower(s), "/")
	if len(parts) < 2 || len(parts) > 3 {
		return "", errors.New("it has the form os/architecture or os/architecture/variant")
	}
	for _, p := range parts {
		if p == "" {
			return "", errors.New("one of its parts is empty")
		}
	}
	return strings.Join(parts, "/"), nil
}

func pullPolicy(v resources.Value) (resources.Value, error) {
	if v == "if_not_present" {
		return "missing", nil
	}
	return v, nil
}

// seenImage returns the reference as it was given at create. When that
// reference is wanted and names another image now, the container's own image is
// added, so that the value differs from what is wanted.
func seenImage(s *sight) resources.Value {
	ref := s.c.Config.Image
	if s.want == nil || imageRef(s.want) != ref || s.current == "" || s.current == s.c.Image {
		return ref
	}
	return movedImage(ref, s.c.Image)
}

func movedImage(ref, id string) string { return fmt.Sprintf("%s (%s)", ref, shortID(id)) }

// shortID returns the first twelve digits of an ID, with its algorithm if any.
func shortID(id string) string {
	algorithm, hex, ok := strings.Cut(id, ":")
	if !ok {
		algorithm, hex = "", id
	}
	if len(hex) > 12 {
		hex = hex[:12]
	}
	if algorithm != "" {
		return algorithm + ":" + hex
	}
	return hex
}
