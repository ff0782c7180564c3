package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/specs"
)

// WriteEnv writes .env from the variables of the spec. Problems of the spec do
// not matter here, as long as its variables can be read: most often it is not
// valid just because .env is missing.
func WriteEnv(c *Call) error {
	spec, problems := specs.Load(c.specOptions())
	c.Sys.Redactor.Learn(spec.Secrets()...)
	if spec.Partial || len(spec.Variables) == 0 && problems.Errors() > 0 {
		c.tell(report.Problems{Spec: spec, List: problems, Always: true})
		return report.Shown(report.ErrInvalid)
	}
	path := filepath.Join(spec.Dir, ".env")
	if c.Opt.Out != "" {
		path = c.Opt.Path(c.Opt.Out)
	} else if files := c.Opt.EnvFiles; len(files) > 0 {
		path = c.Opt.Path(files[len(files)-1])
	}
	e, err := newEnvFile(path, spec.Variables)
	if err != nil {
		return err
	}
	if !c.Opt.Dry {
		if err := saveEnvFile(e); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	c.tell(report.EnvWritten{File: e, Dry: c.Opt.Dry})
	return nil
}

// envName finds the names that a file sets, envBlank those it leaves to be
// filled in, as env itself writes them.
var (
	envName  = regexp.MustCompile(`(?m)^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*[=:]`)
	envBlank = regexp.MustCompile(`(?m)^# ([A-Za-z_][A-Za-z0-9_]*)=$`)
)

// readEnvFile returns the file as it is, to which nothing is to be added yet.
func readEnvFile(path string) (*report.EnvFile, error) {
	e := &report.EnvFile{Path: path}
	old, err := os.ReadFile(path)
	switch {
	case err == nil:
		e.Exists, e.HadText = true, string(old)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return e, nil
}

// newEnvFile works out what is missing in the file.
func newEnvFile(path string, variables []specs.Variable) (*report.EnvFile, error) {
	e, err := readEnvFile(path)
	if err != nil {
		return nil, err
	}
	has, blank := names(envName, e.HadText), names(envBlank, e.HadText)
	var b strings.Builder
	for _, v := range variables {
		if has[v.Name] {
			e.Kept = append(e.Kept, v.Name)
			continue
		}
		value, ok, err := envValue(v)
		if err != nil {
			return nil, err
		}
		if !ok {
			e.Needed = append(e.Needed, v)
			if blank[v.Name] {
				continue
			}
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		if v.Description != "" {
			b.WriteString("# " + report.Clean(v.Description) + "\n")
		}
		if !ok {
			fmt.Fprintf(&b, "# %s=\n", v.Name)
			continue
		}
		fmt.Fprintf(&b, "%s=%s\n", v.Name, envQuote(value))
		e.Added = append(e.Added, v.Name)
	}
	e.Text = b.String()
	return e, nil
}

func names(expr *regexp.Regexp, text string) map[string]bool {
	out := map[string]bool{}
	for _, m := range expr.FindAllStringSubmatch(text, -1) {
		out[m[1]] = true
	}
	return out
}

// envValue is the value of a variable in a new file: its default, or random
// letters and digits for a sensitive text. Nothing can be made up for others.
func envValue(v specs.Variable) (value string, ok bool, err error) {
	switch {
	case v.HasDefault:
		return v.Default, true, nil
	case !v.Sensitive || v.Type != "string" && v.Type != "" || len(v.Enum) > 0:
		return "", false, nil
	}
	for range 100 {
		if value, err = randomText(32); err != nil {
			return "", false, err
		}
		if v.Pattern == "" {
			return value, true, nil
		}
		if fits, err := regexp.MatchString(v.Pattern, value); err == nil && fits {
			return value, true, nil
		}
	}
	return "", false, nil
}

// randomText returns n letters and digits, which need no quoting anywhere: not
// in a shell, a URL or a connection string. 32 of them hold 190 bits.
func randomText(n int) (string, error) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	out := make([]byte, n)
	for i := range out {
		k, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			return "", fmt.Errorf("random value: %w", err)
		}
		out[i] = alphabet[k.Int64()]
	}
	return string(out), nil
}

var envPlain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,^-]*$`)

// envQuote writes a value so that reading the file gives it back.
func envQuote(value string) string {
	switch {
	case envPlain.MatchString(value):
		return value
	case !strings.Contains(value, "'"):
		return "'" + value + "'"
	}
	r := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
	return `"` + r.Replace(value) + `"`
}

// saveEnvFile adds the text. A new file is readable by its owner only and is never
// put in the place of one that has appeared meanwhile; an old one keeps every
// byte it had.
func saveEnvFile(e *report.EnvFile) error {
	if e.Text == "" {
		return nil
	}
	if !e.Exists {
		f, err := os.OpenFile(e.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		return writeAll(f, e.Text)
	}
	f, err := os.OpenFile(e.Path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	gap := "\n"
	if e.HadText != "" && !strings.HasSuffix(e.HadText, "\n") {
		gap = "\n\n"
	} else if e.HadText == "" {
		gap = ""
	}
	return writeAll(f, gap+e.Text)
}

// writeAll writes and closes; the error of either is told.
func writeAll(f *os.File, text string) error {
	_, err := f.WriteString(text)
	return errors.Join(err, f.Close())
}
