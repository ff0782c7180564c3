package rabbitmq

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/LerianStudio/midaz-infra/resources"
)

// Dial opens a connection to a port of a service of the stack, wherever its
// container runs. Any error means that the service is not up.
type Dial func(ctx context.Context, service string, port int) (net.Conn, error)

// Options say which broker to talk to and how.
type Options struct {
	// Declared is everything the spec declares. Its broker resource holds the
	// address and the credentials; its other resources tell what a Claim means.
	// For the removal of a stack it is what the spec declared, not the empty
	// set. Without a broker resource nothing is observed.
	Declared *resources.Declared
	// Dial reaches a broker given as `service:`; one given as `url:` is dialed
	// directly.
	Dial Dial
	// Made returns what earlier runs are known to have made, from memory that does
	// not lie on the broker; nil when there is none. It is asked only when the
	// broker's own list is missing or cannot be trusted.
	Made func(ctx context.Context) map[resources.Addr]bool
	// Exec runs a command beside a broker given as `service:`; nil when nothing
	// may be written.
	Exec Exec
	// Connections bounds the connections kept to the broker, 16 when 0. More
	// do not make a broker faster: see BenchmarkApply.
	Connections int
}

// session is what all readers and writers of one run share.
type session struct {
	o      Options
	broker *resources.Resource // nil when the spec declares none

	mu   sync.Mutex
	wire *wire
	over *overview
	// counters ask for live counts, by virtual host.
	counters map[string]*mover
}

func newSession(o Options) *session {
	s := &session{o: o}
	if o.Declared != nil {
		if all := o.Declared.Of(brokerName); len(all) > 0 {
			s.broker = all[0]
		}
	}
	return s
}

// username is who the management API is asked as.
func (s *session) username() string {
	if s.broker == nil {
		return ""
	}
	return managementOf(s.broker).username
}

// connect returns the wire, made from the spec at the first call. It opens no
// connection, but reads the files of certificates.
func (s *session) connect() (*wire, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wire != nil {
		return s.wire, nil
	}
	if s.broker == nil {
		return nil, errors.New("the spec has no rabbitmq section, so there is no broker to ask")
	}
	w, err := s.dialer()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.broker.Addr, err)
	}
	s.wire = w
	return w, nil
}

func (s *session) dialer() (*wire, error) {
	m := managementOf(s.broker)
	max := s.o.Connections
	if max <= 0 {
		max = 16
	}
	tlsConfig, err := m.tlsConfig(s.broker.Dir)
	if err != nil {
		return nil, err
	}
	urls := resources.Texts(s.broker.Config["url"])
	var w *wire
	if len(urls) > 0 {
		bases := make([]string, 0, len(urls))
		for _, raw := range urls {
			base, err := parseURL(raw)
			if err != nil {
				return nil, fmt.Errorf("url: %w", err)
			}
			bases = append(bases, base)
		}
		w = newWire(bases, nil, tlsConfig, max)
	} else {
		service := s.broker.Config.Text("service")
		if s.o.Dial == nil {
			return nil, fmt.Errorf("service %s: %w: its container does not exist yet", service, resources.ErrUnreachable)
		}
		scheme := "http"
		if m.tls {
			scheme = "https"
		}
		port := m.port
		w = newWire([]string{scheme + "://" + net.JoinHostPort(service, strconv.Itoa(port))}, func(ctx context.Context) (net.Conn, error) {
			return s.o.Dial(ctx, service, port)
		}, tlsConfig, max)
	}
	w.username, w.password = m.username, m.password
	return w, nil
}

// Close closes the connections that are kept alive.
func (s *session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wire != nil {
		s.wire.client.CloseIdleConnections()
	}
	for _, m := range s.counters {
		_ = m.conn.Close()
	}
	s.counters = nil
}

// reads returns the reading part of the API.
func (s *session) reads() reads { return s.readsBy((*wire).do) }

// probes is reads without second attempts, for who asks again anyway.
func (s *session) probes() reads { return s.readsBy((*wire).try) }

func (s *session) readsBy(call func(w *wire, ctx context.Context, method, path string, body []byte) (int, []byte, error)) reads {
	return reads{username: s.username(), fetch: func(ctx context.Context, path string) ([]byte, error) {
		w, err := s.connect()
		if err != nil {
			return nil, err
		}
		_, data, err := call(w, ctx, http.MethodGet, path, nil)
		return data, err
	}}
}

// writes returns the whole API.
func (s *session) writes() (writes, error) {
	w, err := s.connect()
	if err != nil {
		return writes{}, err
	}
	return writes{reads: s.reads(), wire: w, live: s.liveCount}, nil
}

// overview is what a broker says about itself.
type overview struct {
	Version       string `json:"rabbitmq_version"`
	Node          string `json:"node"`
	Cluster       string `json:"cluster_name"`
	ExchangeTypes []struct {
		Name string `json:"name"`
	} `json:"exchange_types"`
	Listeners []listener `json:"listeners"`
}

type listener struct {
	Protocol string `json:"protocol"`
	Port     int    `json:"port"`
}

// overview asks the broker what it is, once a run.
func (s *session) overview(ctx context.Context) (*overview, error) {
	s.mu.Lock()
	known := s.over
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	var o overview
	if err := s.reads().get(ctx, "/api/overview", &o); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = &o
	return &o, nil
}

// management is the decoded `management` of the section.
type management struct {
	port         int
	username     string
	password     resources.Secret
	tls          bool
	ca           string
	cert, key    string
	serverName   string
	insecure     bool
	hasTLSFields bool
}

func managementOf(r *resources.Resource) management {
	c := resources.Config(r.Config.Map("management"))
	m := management{
		port: int(c.Int("port")), username: c.Text("username"), password: resources.NewSecret(c.Text("password")),
		tls: c.Bool("tls"), ca: c.Text("ca"), cert: c.Text("cert"), key: c.Text("key"),
		serverName: c.Text("server_name"), insecure: c.Bool("insecure"),
	}
	if m.port == 0 {
		m.port = 15672
	}
	if m.username == "" {
		m.username = "guest"
		if _, ok := c["password"]; !ok {
			m.password = resources.NewSecret("guest")
		}
	}
	m.hasTLSFields = m.ca != "" || m.cert != "" || m.key != "" || m.serverName != "" || m.insecure
	m.tls = m.tls || m.hasTLSFields
	return m
}

// tlsConfig reads the certificates; relative paths start at dir. It returns
// nil when nothing was asked for, which means the system's authorities.
func (m management) tlsConfig(dir string) (*tls.Config, error) {
	if !m.hasTLSFields {
		return nil, nil
	}
	//nolint:gosec // insecure is the user's own word, and a finding of validate
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: m.serverName, InsecureSkipVerify: m.insecure}
	read := func(what, name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("management.%s: %w", what, err)
		}
		return data, nil
	}
	if m.ca != "" {
		data, err := read("ca", m.ca)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("management.ca: %s holds no PEM certificate", m.ca)
		}
	}
	if m.cert != "" || m.key != "" {
		cert, err := read("cert", m.cert)
		if err != nil {
			return nil, err
		}
		key, err := read("key", m.key)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("management.cert and key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// parseURL returns the base of a management URL: "https://host:15671". Its
// error never repeats the text, which may hold a password.
func parseURL(raw string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	switch {
	case err != nil:
		return "", errors.New("it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("it must begin with http:// or https://: it is the address of the management API, not of AMQP")
	case u.Hostname() == "":
		return "", errors.New("it names no host")
	case u.User != nil:
		return "", errors.New("it holds credentials: write them as management.username and management.password")
	case u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("it must end with the host, the port or a path")
	}
	if u.Port() == "" {
		port := "15672"
		if u.Scheme == "https" {
			port = "15671"
		}
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u.Scheme + "://" + u.Host + strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/api"), nil
}
