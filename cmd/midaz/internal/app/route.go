package app

import (
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
	"github.com/LerianStudio/midaz-infra/specs"
)

// ShowRoute tells where a message goes.
func ShowRoute(c *Call) error {
	if len(c.Opt.Args) == 0 {
		return c.Usage("which exchange?", "`midaz route EXCHANGE KEY`; the default exchange is \"\"")
	}
	m := routing.Message{Exchange: c.Opt.Args[0]}
	if len(c.Opt.Args) > 1 {
		m.Key = c.Opt.Args[1]
	}
	var err error
	if m.Headers, err = c.headers(); err != nil {
		return err
	}
	if err := c.needQuiet(); err != nil {
		return err
	}
	v, err := c.vhost()
	if err != nil {
		return err
	}
	if v.Exchange(m.Exchange) == nil {
		return noExchange(v, m.Exchange)
	}
	r := report.TracedRoute{Vhost: v, Route: v.Publish(m)}
	for _, q := range slices.Concat(r.Route.Queues, r.Route.Maybe) {
		r.Rejected = append(r.Rejected, report.Rejection{Queue: q, To: v.Reject(m, q)})
	}
	if err := c.Show(r); err != nil {
		return err
	}
	if r.Route.Refused != "" || r.Route.Unroutable() {
		return report.Shown(report.ErrUnroutable)
	}
	return nil
}

// headers reads -header. A value is read as YAML reads it: 5 is a number, true
// a boolean, "5" a text.
func (c *Call) headers() (map[string]any, error) {
	out := map[string]any{}
	for _, h := range c.Opt.Headers {
		name, text, ok := strings.Cut(h, "=")
		if !ok || name == "" {
			return nil, c.Usage(fmt.Sprintf("-header %q is not NAME=VALUE", h), "")
		}
		out[name] = text
		v, err := specs.ParseValue(text)
		if err != nil {
			continue
		}
		switch v := resources.Normalize(v).(type) {
		case string, int64, float64, bool:
			out[name] = v
		}
	}
	return out, nil
}

// needQuiet loads the spec and prints its problems only when one is an error:
// who asks about the spec is not told again what validate has said.
func (c *Call) needQuiet() error {
	c.load(false)
	if c.problems.Errors() == 0 {
		return c.checkProfiles()
	}
	c.tell(report.Problems{Spec: c.spec, List: c.problems, Verdict: true, Always: true})
	return report.Shown(report.ErrInvalid)
}

// vhost returns the virtual host of -vhost: by itself "/", or the only one
// there is.
func (c *Call) vhost() (*routing.Vhost, error) {
	all := rabbitmq.Topology(c.declared)
	if c.Opt.Vhost == nil && len(all) == 1 {
		return all[0], nil
	}
	name := "/"
	if c.Opt.Vhost != nil {
		name = *c.Opt.Vhost
	}
	var names []string
	for _, v := range all {
		if v.Name == name {
			return v, nil
		}
		names = append(names, v.Name)
	}
	hint := "the spec declares none"
	if len(names) > 0 {
		hint = "-vhost takes one of " + strings.Join(names, ", ")
	}
	return nil, &resources.Diagnosis{Err: fmt.Errorf("the spec declares no virtual host %q", name), Hint: hint}
}

func noExchange(v *routing.Vhost, name string) error {
	var names []string
	for _, x := range v.Exchanges {
		names = append(names, x.Name)
	}
	err := fmt.Errorf("the spec declares no exchange %q in virtual host %q, and a publisher to it is cut off by the broker", name, v.Name)
	return &resources.Diagnosis{Err: err, Hint: specs.DidYouMean(name, names)}
}
