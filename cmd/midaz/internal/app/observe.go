package app

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Observe records what the engine and the broker have, without secrets, so that
// somebody may plan against it who may not ask them.
func Observe(c *Call) error {
	if slices.Contains(c.specOptions().Files, "-") { // it is read twice
		text, err := io.ReadAll(c.Sys.Stdin)
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
		c.Sys.Stdin = rereader{text, new(int)}
	}
	if err := c.need(); err != nil {
		return err
	}
	bare, err := c.withoutSecrets(nil)
	if err != nil {
		return err
	}
	s, err := c.openReader()
	if err != nil {
		return err
	}
	defer s.Close()
	// Nobody knows yet what will be removed, so for everything it is asked what
	// would be lost with it.
	seen, err := c.observed(s.Readers, resources.Scope{Deep: true, Doomed: func(resources.Addr) bool { return true }})
	if err != nil {
		return c.atPlaces(err)
	}
	rec := engine.Record(c.declared, bare, seen, c.Sys.Now(), report.Version)
	text := string(c.Sys.Redactor.JSON(rec.Encode()))
	path := c.Opt.Out
	if path == "" {
		return c.Show(report.Output{Text: text})
	}
	if err := WriteFile(c.Opt.Path(path), text); err != nil {
		return fmt.Errorf("write the observation: %w", err)
	}
	c.tell(report.Recorded{Recording: rec, Path: path})
	return nil
}

// rereader hands its text out anew whenever it was read to the end.
type rereader struct {
	text []byte
	at   *int
}

func (r rereader) Read(p []byte) (int, error) {
	if *r.at >= len(r.text) {
		*r.at = 0
		return 0, io.EOF
	}
	n := copy(p, r.text[*r.at:])
	*r.at += n
	return n, nil
}

// withoutSecrets reads the spec as those read it who have no secret: sensitive
// variables stand for themselves.
func (c *Call) withoutSecrets(values map[string]*string) (*resources.Declared, error) {
	r, err := c.readBare(values)
	if err != nil || r.problems.Errors() == 0 {
		return r.declared, err
	}
	// Something lies outside of the repository: then the folders of builds are
	// not compared, and all else is.
	o := c.specOptions()
	o.KeepUnset, o.Withhold = true, true
	return c.read(o, false).declared, nil
}

func (c *Call) readBare(values map[string]*string) (specRead, error) {
	o := c.specOptions()
	o.KeepUnset, o.Withhold, o.Pinned, o.PinnedFrom = true, true, values, "the observation"
	if slices.Contains(o.Files, "-") {
		return c.read(o, false), nil
	}
	side, err := c.onDisk(o, "")
	if err != nil {
		return specRead{}, err
	}
	return c.read(side.options, false), nil
}

// planObserved plans against a recording. It asks no engine and no broker, has
// no secret, and reads nothing outside of the spec's repository.
func (c *Call) planObserved(path string, options engine.Options) (*engine.Plan, error) {
	if c.Opt.Out != "" {
		return nil, c.Usage("-observed and -out exclude each other",
			"a plan is saved to be applied, and for that the world itself must have been seen")
	}
	if slices.Contains(c.specOptions().Files, "-") {
		return nil, c.Usage("with -observed the spec cannot come from standard input", "write it to a file")
	}
	rec, err := readRecording(c.Opt.Path(path))
	if err != nil {
		return nil, err
	}
	now, err := c.readBare(rec.Values())
	if err != nil {
		return nil, err
	}
	if err := c.takeValid(now); err != nil {
		return nil, err
	}
	if err := c.checkProfiles(); err != nil {
		return nil, err
	}
	if rec.Stack != c.declared.Stack {
		return nil, &resources.Diagnosis{Err: fmt.Errorf("%s is an observation of stack %q, and this spec is of stack %q", path, rec.Stack,
			c.declared.Stack), Hint: "record this one with `midaz observe -out FILE`"}
	}
	seen, err := rec.Seen(c.declared)
	if err != nil {
		return nil, err
	}
	c.tell(report.PlannedAgainst{Recording: rec, Path: path, Lacks: rec.Lacks(c.declared)})
	p := c.planned(seen, options)
	return p, c.judge(p)
}

func readRecording(path string) (*engine.Recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the observation: %w", err)
	}
	defer func() { _ = f.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(f, engine.MaxRecording+1)); err != nil {
		return nil, fmt.Errorf("read the observation: %w", err)
	}
	rec, err := engine.ParseRecording(b.Bytes())
	if err != nil {
		return nil, &resources.Diagnosis{Err: fmt.Errorf("%s: %w", specs.Printable(path), err), Hint: "make one with `midaz observe -out FILE`"}
	}
	return rec, nil
}
