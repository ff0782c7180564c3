package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/schema"
)

//go:generate sh -c "go run . schema > ../../schema/midaz.infra.schema.json.new && mv ../../schema/midaz.infra.schema.json.new ../../schema/midaz.infra.schema.json"

// printSchema prints the JSON schema of the spec.
func printSchema(c *call, v *view) error {
	v.print(string(schema.Encode(schema.Assemble(c.sys.world.kinds()))))
	return nil
}

// printVersion prints what this binary is.
func printVersion(_ *call, v *view) error {
	doc := map[string]string{"midaz": report.Version, "spec": schema.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
	if revision := builtFrom(); revision != "" {
		doc["revision"] = revision
	}
	if v.wantsJSON() {
		return render.WriteJSON(v.sys.stdout, doc)
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
