package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/specs"
	"github.com/urfave/cli/v2"
)

// formatFlags choose the form of what a command prints.
func formatFlags(known []string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "format", Value: render.FormatText, Usage: "print it as `FORMAT`: " + specs.OneOf(known)},
		&cli.StringSliceFlag{Name: "into", Usage: "write it in another format to a file as well: `FORMAT=FILE`, repeated"},
		&cli.IntFlag{Name: "max-bytes", Value: render.MaxComment, Usage: "keep Markdown within `N` bytes; what is left out is counted"},
	}
}

// into is one file that was asked for.
type into struct{ format, path string }

// outputs reads -format, -json, -into and -json-into. It fails on formats the
// command does not speak, before anything is done.
func (c *call) outputs(known []string) ([]into, error) {
	if f := c.format(); !slices.Contains(known, f) {
		return nil, c.usage(fmt.Sprintf("-format %q is not known", f), "expected one of "+strings.Join(known, ", "))
	}
	if c.flags.Bool("json") && c.flags.IsSet("format") && c.flags.String("format") != render.FormatJSON {
		return nil, c.usage("-json and -format "+c.flags.String("format")+" exclude each other", "write one of them to a file with -into FORMAT=FILE")
	}
	var out []into
	for _, v := range c.flags.StringSlice("into") {
		format, path, ok := strings.Cut(v, "=")
		if !ok || path == "" || !slices.Contains(known, format) {
			return nil, c.usage(fmt.Sprintf("-into %q is not FORMAT=FILE", v), "the format is one of "+strings.Join(known, ", "))
		}
		out = append(out, into{format, c.path(path)})
	}
	return append(out, c.jsonFile()...), nil
}

// jsonFile is the file of -json-into.
func (c *call) jsonFile() []into {
	if path := c.flags.String("json-into"); path != "" {
		return []into{{render.FormatJSON, c.path(path)}}
	}
	return nil
}

// format is what standard output carries.
func (c *call) format() string {
	if c.flags.Bool("json") {
		return render.FormatJSON
	}
	// graph has a -format of its own, which is no form of this text.
	if f := c.flags.String("format"); f != "" && c.verb != "graph" {
		return f
	}
	return render.FormatText
}

// wantsText reports whether standard output carries text for people, so that
// problems go to standard error.
func (c *call) wantsText() bool { return c.format() == render.FormatText }

// deliver prints and writes what was asked for.
func (c *call) deliver(files []into, r render.Renderings) error {
	for _, f := range files {
		form := r[f.format]
		if form == nil {
			continue
		}
		before, _ := os.ReadFile(f.path)
		mode := os.FileMode(0o600)
		if f.format == render.FormatPrometheus {
			mode = 0o644 // the collector runs as somebody else, and nothing in it is secret
		}
		if err := writeFileAs(f.path, c.redacted(f.format, form(string(before))), mode); err != nil {
			return fmt.Errorf("write %s: %w", f.format, err)
		}
	}
	if form := r[c.format()]; form != nil {
		c.print(c.redacted(c.format(), form("")))
	}
	return nil
}

// redacted masks what a format makes: in JSON the texts, before they are
// encoded.
func (c *call) redacted(format, text string) string {
	if slices.Contains([]string{render.FormatJSON, render.FormatGitLab, render.FormatSARIF}, format) {
		return string(c.sys.redactor.JSON([]byte(text)))
	}
	return c.sys.redactor.Text(text)
}
