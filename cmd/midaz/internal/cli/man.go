package cli

import (
	"os"
	"path/filepath"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
)

// man writes the manual pages, one for the program and one for each command,
// into a folder.
func man(c *app.Call) error {
	if len(c.Opt.Args) == 0 {
		return c.Usage("into which folder?", "`midaz man DIR`")
	}
	dir := c.Opt.Path(c.Opt.Args[0])
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, p := range ManPages(Commands()) {
		if err := app.WriteFileAs(filepath.Join(dir, p.Name), p.Text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
