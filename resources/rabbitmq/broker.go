package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

const brokerName = "broker"

// brokerTable is the `rabbitmq` section itself.
var brokerTable = &resources.Table{
	Kind:    brokerName,
	Section: "rabbitmq",
	Example: "{service: rabbitmq}",
	Doc:     "The RabbitMQ broker that the topology below is declared on: a service of this stack, or a broker elsewhere by `url`.",
	// As they are shown.
	Nested: []string{"users", "vhosts", "global_parameters"},
	Fields: []resources.Field{
		{Key: "service", Name: true, Type: resources.String(), Cost: resources.Free, Unmarked: true,
			Doc:     "The service of this stack that runs the broker. Its container is reached through the engine; no port needs to be published.",
			Example: "rabbitmq", Other: "broker"},
		{Key: "url", Type: resources.OneOrMore(resources.String()), Cost: resources.Free, Unmarked: true,
			Doc:     "The management API of a broker outside the stack. Of several nodes one is chosen and kept for the run.",
			Example: "https://broker.example:15671", Other: "http://broker.example:15672"},
		{Key: "amqp", Type: resources.OneOrMore(resources.String()), Cost: resources.Free, Unmarked: true,
			Doc: "Where AMQP is spoken, which only the migration of a queue needs. Without it that is the host of the management API, at the " +
				"port the broker says.", Example: "amqps://broker.example:5671", Other: "amqp://broker.example:5672"},
		{Key: "management", Type: managementType, Cost: resources.Free, Unmarked: true,
			Doc: "How the management API is reached.", Example: `{username: midaz, password: "${RABBITMQ_DEFAULT_PASS}"}`,
			Other: `{port: 15673, username: midaz, password: "${RABBITMQ_DEFAULT_PASS}"}`},
	},
}

var managementType = resources.Object{
	What: "the management API",
	Fields: []resources.Field{
		{Key: "port", Type: resources.Int(1, 65535), Default: int64(15672),
			Doc: "The port of the management API inside the service's container. With `url` the port stands there.", Example: "15672",
			Other: "15671"},
		{Key: "username", Type: resources.String(), Default: "guest", Doc: "The user midaz logs in as. It needs the tag administrator.",
			Example: "midaz", Other: "admin"},
		{Key: "password", Type: resources.String(), Secret: true, Doc: "The user's password.", Example: `"${RABBITMQ_DEFAULT_PASS}"`,
			Other: `"${RABBITMQ_ADMIN_PASS}"`},
		{Key: "tls", Type: resources.Bool(), Default: false, Doc: "Speak HTTPS to the service. With `url` the scheme says it.", Example: "true",
			Other: "false"},
		{Key: "ca", Type: resources.String(), Doc: "A file of certificate authorities to trust, in PEM, beside the spec. Without it the " +
			"system's are trusted.", Example: "certs/ca.pem", Other: "certs/other.pem"},
		{Key: "cert", Type: resources.String(), Doc: "A client certificate to show, in PEM.", Example: "certs/client.pem",
			Other: "certs/other.pem"},
		{Key: "key", Type: resources.String(), Doc: "The file of the client certificate's key, in PEM.", Example: "certs/client.key",
			Other: "certs/other.key"},
		{Key: "server_name", Type: resources.String(), Doc: "The name expected in the server's certificate, when it is not the host's.",
			Example: "broker.example", Other: "other.example"},
		{Key: "insecure", Type: resources.Bool(), Default: false,
			Doc: "Accept any certificate. Whoever can answer in the broker's place then sees the password.", Example: "true", Other: "false"},
		{Key: "timeout", Type: resources.Duration(), Default: "2m", Doc: "How long the broker may take to become ready.", Example: "3m",
			Other: "30s"},
	},
}

// brokerKind is the broker as a resource: never made or removed here, only
// waited for.
type brokerKind struct{}

func (brokerKind) Table() *resources.Table { return brokerTable }

// ReadOnly says that no resource of this kind is ever written.
func (brokerKind) ReadOnly() {}

// Name names the broker by its service or by the host of its URL.
func (brokerKind) Name(_ []string, c resources.Config) resources.Addr {
	if service := c.Text("service"); service != "" {
		return resources.NewAddr(brokerName, service)
	}
	for _, raw := range resources.Texts(c["url"]) {
		if u, err := url.Parse(raw); err == nil && u.Hostname() != "" {
			return resources.NewAddr(brokerName, u.Hostname())
		}
	}
	return resources.NewAddr(brokerName, "rabbitmq")
}

func (brokerKind) Refs(r *resources.Resource) []resources.Ref {
	service := r.Config.Text("service")
	if service == "" {
		return nil
	}
	return []resources.Ref{{To: resources.NewAddr("service", service), At: "/service", Bind: resources.Inside, Wait: resources.Ready}}
}

// Compare finds no differences: how to reach the broker is no state of it.
func (brokerKind) Compare(*resources.Resource, *resources.Observed) resources.Delta { return nil }

// Gate waits for the management API and what lies behind it.
func (brokerKind) Gate(r *resources.Resource) (resources.Gate, bool) {
	return resources.Gate{Text: "management API answers, virtual hosts are up", Timeout: brokerTimeout(r)}, true
}

func brokerTimeout(r *resources.Resource) time.Duration {
	if d := resources.ParseDuration(r.Config.Map("management")["timeout"]); d > 0 {
		return d
	}
	return 2 * time.Minute
}

func (brokerKind) Rules() []*specs.Rule { return rules }

func (brokerKind) Check(all *resources.Declared, report resources.Report) {
	for _, r := range all.Of(brokerName) {
		checkBroker(r, report)
	}
	checkRelease(all, report)
}

func checkBroker(r *resources.Resource, report resources.Report) {
	_, service := r.Config["service"]
	_, hasURL := r.Config["url"]
	switch {
	case service && hasURL:
		report(ruleBroker.At(r.Pos("/url"), "the broker is given both as a service and by url", "keep one of the two"))
	case !service && !hasURL:
		report(ruleBroker.At(r.KeyPos, "the rabbitmq section does not say which broker it is about",
			"write `service: NAME` for a service of this stack, or `url: https://HOST:15671` for a broker elsewhere"))
	}
	for i, raw := range resources.Texts(r.Config["url"]) {
		at := "/url"
		if r.Node.Get("url").Kind() == specs.List {
			at += "/" + strconv.Itoa(i)
		}
		if _, err := parseURL(raw); err != nil {
			report(ruleBroker.At(r.Node.At(at).Pos(), "url: "+err.Error(), ""))
		}
	}
	for i, raw := range resources.Texts(r.Config["amqp"]) {
		at := "/amqp"
		if r.Node.Get("amqp").Kind() == specs.List {
			at += "/" + strconv.Itoa(i)
		}
		if _, err := parseAMQP(raw); err != nil {
			report(ruleBroker.At(r.Node.At(at).Pos(), "amqp: "+err.Error(), ""))
		}
	}
	m := managementOf(r)
	if (m.cert == "") != (m.key == "") {
		report(ruleBroker.At(r.Pos("/management"), "a client certificate needs both cert and key", "add the other one"))
	}
	if m.insecure {
		report(ruleInsecure.At(r.Pos("/management/insecure"),
			"any certificate is accepted, so anyone who can answer in the broker's place sees the password",
			"name the authority with `ca:` instead"))
	}
}

// brokerReader tells whether the broker answers.
type brokerReader struct{ b *ReadBroker }

// Observe returns the broker as present, with its version as a note, or as unknown when
// it is not up. When the engine looks again during a run, the gate is what
// judges, so that it is present then in any case.
func (r brokerReader) Observe(ctx context.Context, scope resources.Scope) ([]*resources.Observed, error) {
	var out []*resources.Observed
	for _, w := range scope.Want {
		o := &resources.Observed{Addr: w.Addr, Presence: resources.Present, Stack: w.Stack, Free: true, Have: w.Config, ID: w.Addr.Name,
			Refs: w.Refs}
		over, err := r.b.overview(ctx)
		switch {
		case errors.Is(err, resources.ErrUnreachable) && scope.Owned:
			o.Presence, o.Have, o.Why = resources.Unknown, nil, err.Error()
		case errors.Is(err, resources.ErrUnreachable):
			o.State = "not reachable"
		case err != nil:
			return nil, fmt.Errorf("management API: %w", err)
		default:
			o.State = "running"
			o.Notes = append(o.Notes, versionNote(over.Version))
		}
		out = append(out, o)
	}
	return out, nil
}

// versionNote names the version, and warns of those whose behaviour was not
// measured.
func versionNote(version string) string {
	note := "RabbitMQ " + version
	major, minor := majorMinor(version)
	switch {
	case major == 0:
	case major < 3 || major == 3 && minor < 10:
		note += ", older than 3.10, the oldest version midaz knows"
	case major > 4 || major == 4 && minor > 3:
		note += ", newer than 4.3, the newest version midaz knows, and treated like it"
	}
	return note
}

func majorMinor(version string) (major, minor int) {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return 0, 0
	}
	major, _ = strconv.Atoi(parts[0])
	minor, _ = strconv.Atoi(parts[1])
	return major, minor
}

// brokerWriter waits for the broker; there is nothing to write.
type brokerWriter struct{ b *Broker }

func (brokerWriter) Create(context.Context, *resources.Resource, resources.Note) error { return nil }

func (brokerWriter) Update(context.Context, *resources.Resource, *resources.Observed, resources.Delta, resources.Note) error {
	return nil
}

func (brokerWriter) Delete(context.Context, *resources.Observed, resources.Note) error { return nil }

// Await waits until the broker can be given its topology.
func (w brokerWriter) Await(ctx context.Context, r *resources.Resource, note resources.Note) error {
	return await(ctx, w.b.ReadBroker, r, note)
}
