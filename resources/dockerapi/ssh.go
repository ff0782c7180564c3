package dockerapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// sshHost is an engine behind ssh. Each connection is one ssh login that runs
// `docker system dial-stdio` there, as the docker command does.
type sshHost struct {
	user, name, port string
	// slots bounds logins under way: sshd drops parallel ones beyond its
	// MaxStartups, ten by default.
	slots chan struct{}
}

func NewSSHHost(address string) (*sshHost, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("ssh address: %w", RootOf(err))
	}
	if u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return nil, errors.New("an ssh address is ssh://[user@]host[:port]")
	}
	if _, has := u.User.Password(); has {
		return nil, errors.New("an ssh address must not hold a password; use a key")
	}
	// A name that begins with a dash would be read as an option of ssh.
	if strings.HasPrefix(u.Hostname(), "-") || strings.HasPrefix(u.User.Username(), "-") {
		return nil, errors.New("an ssh host or user does not begin with a dash")
	}
	return &sshHost{user: u.User.Username(), name: u.Hostname(), port: u.Port(), slots: make(chan struct{}, 5)}, nil
}

// Target returns user@host for people.
func (s *sshHost) Target() string {
	if s.user == "" {
		return s.name
	}
	return s.user + "@" + s.name
}

func (s *sshHost) Args() []string {
	args := []string{"-T", "-o", "ConnectTimeout=30", "-o", "BatchMode=yes"}
	if s.user != "" {
		args = append(args, "-l", s.user)
	}
	if s.port != "" {
		args = append(args, "-p", s.port)
	}
	return append(args, "--", s.name, "docker", "system", "dial-stdio")
}

// dial runs ssh and returns its input and output as a connection. It lives
// until it is closed, whatever becomes of ctx.
func (s *sshHost) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	conn, err := s.login()
	if err != nil {
		<-s.slots
		return nil, fmt.Errorf("ssh %s: %w", s.Target(), err)
	}
	return conn, nil
}

func (s *sshHost) login() (*sshConn, error) {
	cmd := exec.Command("ssh", s.Args()...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	complaint, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	conn := &sshConn{
		target: s.Target(), cmd: cmd, in: in, out: out,
		loggedIn: sync.OnceFunc(func() { <-s.slots }), complained: make(chan struct{}),
	}
	go func() {
		defer close(conn.complained)
		_, _ = io.Copy(&conn.complaint, complaint)
	}()
	return conn, nil
}

// sshConn is a connection through one ssh process.
type sshConn struct {
	target    string
	cmd       *exec.Cmd
	in        io.WriteCloser
	out       io.ReadCloser
	loggedIn  func()
	complaint tail
	// complained is closed when ssh has nothing more to say.
	complained chan struct{}
	closing    sync.Once
}

func (c *sshConn) Read(p []byte) (int, error) {
	n, err := c.out.Read(p)
	c.loggedIn()
	if n == 0 && errors.Is(err, io.EOF) {
		err = c.explain(err)
	}
	return n, err
}

func (c *sshConn) Write(p []byte) (int, error) {
	n, err := c.in.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		err = c.explain(err)
	}
	return n, err
}

// complaintTimeout bounds the wait for what an ssh that has ended wrote last:
// a master connection that it left behind may hold its error output open.
const complaintTimeout = time.Second

// explain puts what ssh complained of in place of err, the end of one of its
// streams, which comes before the complaint as often as after it.
func (c *sshConn) explain(err error) error {
	select {
	case <-c.complained:
	case <-time.After(complaintTimeout):
	}
	if text := c.complaint.String(); text != "" {
		return fmt.Errorf("ssh %s: %s", c.target, text)
	}
	return err
}

// CloseWrite ends the input, which hijacked connections need.
func (c *sshConn) CloseWrite() error { return c.in.Close() }

func (c *sshConn) Close() error {
	c.closing.Do(func() {
		c.loggedIn()
		_ = c.in.Close()
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait() // its end is ours, however it ended
	})
	return nil
}

func (c *sshConn) LocalAddr() net.Addr              { return sshAddr("local") }
func (c *sshConn) RemoteAddr() net.Addr             { return sshAddr(c.target) }
func (c *sshConn) SetDeadline(time.Time) error      { return nil }
func (c *sshConn) SetReadDeadline(time.Time) error  { return nil }
func (c *sshConn) SetWriteDeadline(time.Time) error { return nil }

type sshAddr string

func (sshAddr) Network() string  { return "ssh" }
func (a sshAddr) String() string { return string(a) }

// tail keeps the last kilobyte written to it, on one line.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 1024 {
		t.buf = t.buf[len(t.buf)-1024:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return OneLine(string(t.buf))
}
