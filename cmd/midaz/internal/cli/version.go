package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/schema"
)

// printSchema prints the JSON schema of the spec.
func printSchema(c *app.Call, v *View) error {
	v.print(string(schema.Encode(schema.Assemble(c.Sys.World.Kinds()))))
	return nil
}

// printVersion prints what this binary is.
func printVersion(_ *app.Call, v *View) error {
	doc := map[string]string{"midaz": report.Version, "spec": schema.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" +
		runtime.GOARCH}
	if revision := builtFrom(); revision != "" {
		doc["revision"] = revision
	}
	if v.wantsJSON() {
		return render.WriteJSON(v.Sys.Stdout, doc)
	}
	text := fmt.Sprintf("midaz %s (spec %s, %s, %s)\n", doc["midaz"], doc["spec"], doc["go"], doc["platform"])
	v.print(text)
	return nil
}

// builtFrom is the commit that the toolchain noted, "" when it did not.
func builtFrom() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
