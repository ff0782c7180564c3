// Command midaz runs the infrastructure that one file describes.
package main

import (
	"os"
	"runtime"
	"runtime/debug"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
)

//go:generate sh -c "go run . schema > ../../schema/midaz.infra.schema.json.new && mv ../../schema/midaz.infra.schema.json.new ../../schema/midaz.infra.schema.json"

func main() {
	collectLate()
	os.Exit(cli.Main())
}

// collectLate puts the first collection of garbage off until the heap has 40 MB.
// A plan of fifty services ends before that, and collecting took a quarter of
// its time. After it everything is as usual, so that memory grows with what is
// planned. GOGC in the environment is obeyed.
func collectLate() {
	if _, ok := os.LookupEnv("GOGC"); ok {
		return
	}
	usual := debug.SetGCPercent(1000) // of the runtime's least heap, 4 MB
	runtime.AddCleanup(new(*int), func(percent int) { debug.SetGCPercent(percent) }, usual)
}
