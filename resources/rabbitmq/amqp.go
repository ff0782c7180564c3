package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/LerianStudio/midaz-infra/resources"
)

// Messages are moved by AMQP, which alone can hand one over without losing it:
// it is acknowledged in one queue only after the other has confirmed it. Only a
// Writer that migrates a queue opens such a connection.

// amqpAddress is where AMQP is spoken: a port of the broker's service, or an
// address of its own.
type amqpAddress struct {
	address string // host:port, "" for the service
	port    int
	tls     bool
}

// amqpAddresses says where AMQP may be reached: where the spec says, else on
// the hosts of the management API at the port the broker says it listens on.
func (s *session) amqpAddresses(ctx context.Context) ([]amqpAddress, error) {
	if written := resources.Texts(s.broker.Config["amqp"]); len(written) > 0 {
		var out []amqpAddress
		for _, raw := range written {
			a, err := parseAMQP(raw)
			if err != nil {
				return nil, fmt.Errorf("amqp: %w", err)
			}
			out = append(out, a)
		}
		return out, nil
	}
	over, err := s.overview(ctx)
	if err != nil {
		return nil, err
	}
	listens := amqpAddress{}
	for _, l := range over.Listeners {
		switch {
		case l.Protocol == "amqp":
			listens = amqpAddress{port: l.Port}
		case l.Protocol == "amqp/ssl" && listens.port == 0:
			listens = amqpAddress{port: l.Port, tls: true}
		}
	}
	if listens.port == 0 {
		return nil, errSpeaksNone
	}
	urls := resources.Texts(s.broker.Config["url"])
	if len(urls) == 0 {
		return []amqpAddress{listens}, nil
	}
	var out []amqpAddress
	for _, raw := range urls {
		u, err := url.Parse(strings.TrimSpace(raw))
		if err != nil {
			return nil, errors.New("url: it is not a URL")
		}
		out = append(out, amqpAddress{address: net.JoinHostPort(u.Hostname(), strconv.Itoa(listens.port)), tls: listens.tls})
	}
	return out, nil
}

// parseAMQP reads amqp://host:port or amqps://host:port. Its error never repeats
// the text, which may hold a password.
func parseAMQP(raw string) (amqpAddress, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	switch {
	case err != nil:
		return amqpAddress{}, errors.New("it is not a URL")
	case u.Scheme != "amqp" && u.Scheme != "amqps":
		return amqpAddress{}, errors.New("it must begin with amqp:// or amqps://")
	case u.Hostname() == "":
		return amqpAddress{}, errors.New("it names no host")
	case u.User != nil:
		return amqpAddress{}, errors.New("it holds credentials: those of `management` are used")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return amqpAddress{}, errors.New("it must end with the host or the port")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"amqp": "5672", "amqps": "5671"}[u.Scheme]
	}
	return amqpAddress{address: net.JoinHostPort(u.Hostname(), port), tls: u.Scheme == "amqps"}, nil
}

// errSpeaksNone is why there is no AMQP to be had on a broker without it.
var errSpeaksNone = errors.New("the broker says of no port that it speaks AMQP there")

// errNoAMQP is wrapped when no AMQP connection can be had.
var errNoAMQP = errors.New("AMQP is needed to move messages")

// dialAMQP opens a connection to a virtual host as the management user. name is
// how the broker lists it.
func (s *session) dialAMQP(ctx context.Context, vhost, name string) (*amqp.Connection, error) {
	all, err := s.amqpAddresses(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoAMQP, err)
	}
	var last error
	for _, a := range all {
		conn, err := s.openAMQP(ctx, a, vhost, name)
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, &resources.Diagnosis{Err: fmt.Errorf("%w: %w", errNoAMQP, last),
		Hint: "the broker's AMQP port must be reachable from here, and the management user needs permissions on the virtual host; where its " +
			"address is another than that of the management API, write it as `amqp: amqp://HOST:PORT` in the rabbitmq section"}
}

// liveCount asks for a queue's ready messages and its consumers as they are at
// this moment, which only AMQP tells.
func (s *session) liveCount(ctx context.Context, vhost, queue string) (ready, consumers int, err error) {
	m, err := s.counter(ctx, vhost)
	if err != nil {
		return 0, 0, err
	}
	return m.counts(queue)
}

// liveStream counts what is in a stream at this moment, up to a hundred messages,
// by reading it from its beginning: reading takes nothing out of a stream.
func (s *session) liveStream(ctx context.Context, vhost, stream string) (int, error) {
	m, err := s.counter(ctx, vhost)
	if err != nil {
		return 0, err
	}
	ch, err := m.conn.Channel()
	if err != nil {
		return 0, err
	}
	defer func() { _ = ch.Close() }()
	const most = 100
	if err := ch.Qos(most, 0, false); err != nil {
		return 0, err
	}
	messages, err := ch.Consume(stream, "", false, false, false, false, amqp.Table{"x-stream-offset": "first"})
	if err != nil {
		return 0, err
	}
	for n := 0; ; n++ {
		quiet := time.NewTimer(time.Second)
		select {
		case _, more := <-messages:
			quiet.Stop()
			if !more || n+1 == most {
				return n + 1, nil
			}
		case <-quiet.C:
			return n, nil
		case <-ctx.Done():
			quiet.Stop()
			return n, context.Cause(ctx)
		}
	}
}

// counter returns the connection that counts messages in a virtual host.
func (s *session) counter(ctx context.Context, vhost string) (*mover, error) {
	s.mu.Lock()
	m := s.counters[vhost]
	s.mu.Unlock()
	if m != nil && !m.conn.IsClosed() {
		return m, nil
	}
	conn, err := s.dialAMQP(ctx, vhost, "midaz: counts messages")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m = s.counters[vhost]; m != nil && !m.conn.IsClosed() {
		_ = conn.Close()
		return m, nil
	}
	if s.counters == nil {
		s.counters = map[string]*mover{}
	}
	s.counters[vhost] = &mover{conn: conn}
	return s.counters[vhost], nil
}

func (s *session) openAMQP(ctx context.Context, a amqpAddress, vhost, name string) (*amqp.Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()
	conn, err := s.connAMQP(ctx, a)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	if a.tls {
		m := managementOf(s.broker)
		config, err := m.tlsConfig(s.broker.Dir)
		if err != nil {
			_ = conn.Close()
			return nil, err
		}
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		if host, _, err := net.SplitHostPort(a.address); err == nil && config.ServerName == "" {
			config.ServerName = host
		}
		conn = tls.Client(conn, config)
	}
	m := managementOf(s.broker)
	c, err := amqp.Open(conn, amqp.Config{
		SASL:       []amqp.Authentication{&amqp.PlainAuth{Username: m.username, Password: m.password.Reveal()}},
		Vhost:      vhost,
		Heartbeat:  10 * time.Second,
		Properties: amqp.Table{"product": "midaz", "connection_name": name},
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return c, nil
}

func (s *session) connAMQP(ctx context.Context, a amqpAddress) (net.Conn, error) {
	if a.address != "" {
		return (&net.Dialer{}).DialContext(ctx, "tcp", a.address)
	}
	if s.o.Dial == nil {
		return nil, errors.New("there is no engine to reach the service through")
	}
	return s.o.Dial(ctx, s.broker.Config.Text("service"), a.port)
}
