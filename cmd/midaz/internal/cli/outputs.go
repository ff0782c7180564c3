package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/specs"
)

// formats are those of each command that has -format.
var formats = map[string][]string{
	"validate": render.ValidateFormats, "plan": render.PlanFormats, "diff": render.PlanFormats, "drift": render.DriftFormats,
	"graph": render.GraphFormats, "topology": render.TopologyFormats,
}

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

// readFormats reads -format, -json, -into and -json-into. It fails on formats that
// the command does not speak, before anything is done.
func (v *View) readFormats() error {
	known := formats[v.verb]
	if f := v.Flags.String("format"); known != nil && !slices.Contains(known, f) {
		return v.Usage(fmt.Sprintf("-format %q is not known", f), "expected one of "+strings.Join(known, ", "))
	}
	if v.Flags.Bool("json") && v.Flags.IsSet("format") && v.Flags.String("format") != render.FormatJSON {
		return v.Usage("-json and -format "+v.Flags.String("format")+" exclude each other", "write one of them to a file with -into FORMAT=FILE")
	}
	for _, text := range v.Flags.StringSlice("into") {
		format, path, ok := strings.Cut(text, "=")
		if !ok || path == "" || !slices.Contains(known, format) {
			return v.Usage(fmt.Sprintf("-into %q is not FORMAT=FILE", text), "the format is one of "+strings.Join(known, ", "))
		}
		v.files = append(v.files, into{format, v.opt.Path(path)})
	}
	if path := v.Flags.String("json-into"); path != "" {
		v.files = append(v.files, into{render.FormatJSON, v.opt.Path(path)})
	}
	if v.Flags.Bool("fix") && (!v.wantsText() || len(v.files) > 0) {
		return v.Usage("-fix shows what it changed as text", "run `midaz validate -json` after it")
	}
	return nil
}

// format is what standard output carries.
func (v *View) format() string {
	if v.Flags.Bool("json") {
		return render.FormatJSON
	}
	// A picture is in a format of its own, which is no form of this text.
	if f := v.Flags.String("format"); f != "" && v.verb != "graph" && v.verb != "topology" {
		return f
	}
	return render.FormatText
}

// wantsText reports whether standard output carries text for people, so that
// problems go to standard error.
func (v *View) wantsText() bool { return v.format() == render.FormatText }

// deliver prints and writes what was asked for.
func (v *View) deliver(r render.Renderings) error {
	for _, f := range v.files {
		form := r[f.format]
		if form == nil {
			continue
		}
		before, _ := os.ReadFile(f.path)
		mode := os.FileMode(0o600)
		if f.format == render.FormatPrometheus {
			mode = 0o644 // the collector runs as somebody else, and nothing in it is secret
		}
		if err := app.WriteFileAs(f.path, v.redacted(f.format, form(string(before))), mode); err != nil {
			return fmt.Errorf("write %s: %w", f.format, err)
		}
	}
	if form := r[v.format()]; form != nil {
		v.print(v.redacted(v.format(), form("")))
	}
	return nil
}

// redacted masks what a format makes: in JSON the texts, before they are
// encoded.
func (v *View) redacted(format, text string) string {
	if slices.Contains([]string{render.FormatJSON, render.FormatGitLab, render.FormatSARIF}, format) {
		return string(v.Sys.Redactor.JSON([]byte(text)))
	}
	return v.Sys.Redactor.Text(text)
}
