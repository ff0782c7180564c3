package app

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
	"github.com/LerianStudio/midaz-infra/schema"
	"github.com/LerianStudio/midaz-infra/specs"
)

// maxImport bounds a file that is imported: the broker itself takes 20 MB.
const maxImport = 64 << 20

// ImportDefinitions writes a spec from RabbitMQ's own definitions.
func ImportDefinitions(c *Call) error {
	if len(c.Opt.Args) == 0 {
		return c.Usage("which file?", "`midaz import definitions FILE`; - is standard input")
	}
	o := definitions.Options{Stack: c.Opt.Stack, Service: c.Opt.Service, URL: c.Opt.URL,
		Part: c.Opt.Part, Aside: c.Opt.Out != ""}
	if c.Opt.Vhost != nil {
		o.Vhost = *c.Opt.Vhost
	}
	if o.Service != "" && o.URL != "" {
		return c.Usage("-service and -url exclude each other", "")
	}
	data, err := c.readInput(c.Opt.Args[0])
	if err != nil {
		return err
	}
	got, err := rabbitmq.Import(data, o)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Opt.Args[0], err)
	}
	var env string
	if o.Aside {
		if env, err = c.writeImport(got.Text, got.Secrets); err != nil {
			return err
		}
	} else {
		c.tell(report.Output{Text: string(got.Text)})
	}
	c.tell(report.DefinitionsImported{Result: got, Out: c.Opt.Out, Env: env})
	if !o.Part && o.Service == "" { // else what it is merged into is needed too
		c.tellUnfit(got)
	}
	return nil
}

// readInput reads a file given as an argument, - being standard input.
func (c *Call) readInput(name string) ([]byte, error) {
	var in io.Reader = c.Sys.Stdin
	if name != "-" {
		f, err := os.Open(c.Opt.Path(name))
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxImport+1))
	if err == nil && len(data) > maxImport {
		err = fmt.Errorf("larger than %d MiB", maxImport>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return bytes.TrimPrefix(data, []byte("\ufeff")), nil
}

// writeImport writes the spec, and the values of its variables into .env
// beside it. It returns the name of the latter, "" when there are none.
// Neither is touched when one of them cannot be written.
func (c *Call) writeImport(text []byte, secrets []definitions.Secret) (string, error) {
	path := c.Opt.Path(c.Opt.Out)
	if err := c.mayReplace(path); err != nil {
		return "", err
	}
	if len(secrets) == 0 {
		return "", writeSpec(path, string(text))
	}
	e, err := readEnvFile(filepath.Join(filepath.Dir(path), ".env"))
	if err != nil {
		return "", err
	}
	has := names(envName, e.HadText)
	var b strings.Builder
	for _, s := range secrets {
		line := s.Name + "=" + envQuote(s.Value)
		switch {
		case !has[s.Name]:
			b.WriteString(line + "\n")
		case !hasLine(e.HadText, line):
			return "", &resources.Diagnosis{Err: fmt.Errorf("%s already holds another value of %s", e.Path, s.Name),
				Hint: "remove it there, or write to another folder"}
		}
	}
	e.Text = b.String()
	if err := saveEnvFile(e); err != nil {
		return "", fmt.Errorf("write %s: %w", e.Path, err)
	}
	return e.Path, writeSpec(path, string(text))
}

// writeSpec writes a new file for its owner only, and in the place of an old one
// with the mode that it had.
func writeSpec(path, text string) error {
	if was, err := os.Stat(path); err == nil {
		return WriteFileAs(path, text, was.Mode().Perm())
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return writeAll(f, text)
}

func hasLine(text, line string) bool {
	for l := range strings.Lines(text) {
		if strings.TrimRight(l, "\r\n") == line {
			return true
		}
	}
	return false
}

// mayReplace refuses to write over a file that is there, without -force.
func (c *Call) mayReplace(path string) error {
	if _, err := os.Lstat(path); err != nil || c.Opt.Force {
		return nil
	}
	return &resources.Diagnosis{Err: fmt.Errorf("%s exists already", path), Hint: "-force replaces it"}
}

// tellUnfit says what validate would find in the result, as far as it is an
// error: a definitions file may hold what a broker refuses.
func (c *Call) tellUnfit(got *definitions.Result) {
	env := map[string]string{}
	for _, s := range got.Secrets {
		env[s.Name] = s.Value
	}
	kinds := c.Sys.World.Kinds()
	spec, loaded := specs.Load(specs.Options{Files: []string{"-"}, Stdin: strings.NewReader(string(got.Text)),
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	_, decoded := engine.Resolve(spec, kinds)
	var errs specs.Problems
	for _, p := range schema.Quick(spec, kinds, loaded, decoded) {
		if p.Severity() == specs.Error && (p.Rule == nil || p.Rule.Code != specs.RuleUnset.Code) {
			errs = append(errs, p)
		}
	}
	if len(errs) > 0 {
		c.tell(report.Unfit{Spec: spec, List: errs})
	}
}
