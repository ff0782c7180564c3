package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// pastRun is an earlier run in place of today's spec.
type pastRun struct {
	run     *resources.Run
	dir     string // of the spec, today
	specs   []string
	profile []string
	*engine.Recalled
	// pin gives the spec the images of the run.
	pin func(specs.Node) specs.Node
}

// Rollback plans and applies what an earlier run was made from.
func Rollback(c *Call) error {
	if len(c.Opt.Args) == 0 {
		return c.Usage("rollback needs the run to go back to", "`midaz history` lists the runs")
	}
	stack, err := c.stackName()
	if err != nil {
		return err
	}
	if err := c.recall(stack, c.Opt.Args[0]); err != nil {
		return err
	}
	return c.carryOut(&applying{Call: c, options: c.Opt.Plan, approved: c.Opt.Approved})
}

// recall puts an earlier run in place of today's spec.
func (c *Call) recall(stack, id string) error {
	s, err := c.openReader()
	if err != nil {
		return err
	}
	defer s.Close()
	runs, err := s.Journal.Runs(c.Context, stack)
	if err != nil {
		return err
	}
	run, err := findRun(runs, id, stack)
	if err != nil {
		return err
	}
	verb, _, _ := strings.Cut(run.Command, " ")
	if verb == "down" || verb == "destroy" {
		return &resources.Diagnosis{Err: fmt.Errorf("run %s was a %s: there is no spec to go back to", run.ID, verb),
			Hint: "`midaz down` removes the stack; `midaz history` lists the runs"}
	}
	past, err := s.Journal.Past(c.Context, run)
	if err != nil {
		return err
	}
	if past == nil {
		return &resources.Diagnosis{Err: fmt.Errorf("of run %s (%s) the journal does not hold what it was made from", run.ID, run.Result),
			Hint: "go back to another run of `midaz history`, or apply that version of the spec from its repository"}
	}
	c.past = &pastRun{run: run, dir: c.spec.Dir, specs: past.Specs, profile: past.Profiles,
		Recalled: engine.Recall(past, c.secretsToday(past), c.digestToday)}
	var missing []string
	c.past.pin = func(root specs.Node) specs.Node {
		var pinned specs.Node
		pinned, missing, err = s.Journal.Pin(c.Context, root, run)
		return pinned
	}
	if len(c.past.Missing) == 0 {
		c.load(false)
	}
	if err != nil {
		return fmt.Errorf("images of run %s: %w", run.ID, err)
	}
	if missing = append(c.past.Missing, missing...); len(missing) > 0 {
		return &resources.Diagnosis{Err: fmt.Errorf("run %s cannot be gone back to: %s", run.ID, strings.Join(missing, "; ")),
			Hint: "nothing was changed; apply that version of the spec from its repository"}
	}
	root := c.spec.Root
	c.past.pin = func(specs.Node) specs.Node { return root } // asked once
	notes := append(slices.Clone(c.past.Notes), runNotes(run)...)
	if changed := engine.SecretsChanged(past, c.spec.Values()); len(changed) > 0 {
		notes = append(notes, "sensitive values are not kept, and today's are taken: "+strings.Join(changed, ", ")+" changed since")
	}
	c.tell(report.RollingBack{Run: run, Notes: notes})
	return nil
}

// runNotes says what is special about going back to the run.
func runNotes(run *resources.Run) []string {
	var notes []string
	if run.Partial {
		notes = append(notes, "that run applied only a part of its spec; the plan is to all of it")
	}
	if run.Result != resources.RunDone {
		notes = append(notes, fmt.Sprintf("that run ended with: %s", run.Result))
	}
	if run.Result == resources.RunLost {
		notes = append(notes, "which images it ran was not noted, and today's are taken")
	}
	return notes
}

// secretsToday returns the texts that may stand where secrets were written.
func (c *Call) secretsToday(past *resources.Past) []string {
	out := engine.Secrets(c.declared)
	for name := range past.Secrets {
		for _, prefix := range []string{"MIDAZ_VAR_", ""} {
			if v, ok := c.Sys.LookupEnv(prefix + name); ok && v != "" {
				out = append(out, v)
			}
		}
	}
	return out
}

// digestToday returns the SHA-256 of a file of today by its name in the spec.
func (c *Call) digestToday(name string) (string, error) {
	text, _, err := (&specs.Spec{}).ReadFile(filepath.Join(c.spec.Dir, filepath.FromSlash(name)), 64<<20, false)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// instead returns the options of loading the run in place of today's spec.
// Files of values are today's; their names start where they did.
func (p *pastRun) instead(o specs.Options) specs.Options {
	from, err := filepath.Abs(o.Dir)
	if err != nil {
		from = o.Dir
	}
	o.ValueFiles = slices.Clone(o.ValueFiles)
	for i, f := range o.ValueFiles {
		if !filepath.IsAbs(f.Name) {
			o.ValueFiles[i].Name = filepath.Join(from, f.Name)
		}
	}
	o.Files, o.Dir, o.Past, o.Pinned = p.specs, p.dir, p.Files, p.Pinned
	for _, f := range p.Files {
		if f.Name == "-" {
			o.Stdin = bytes.NewReader(f.Text)
		}
	}
	if len(o.Profiles) == 0 {
		o.Profiles = p.profile
	}
	return o
}
