package docker

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

func newSSHHost(address string) (*sshHost, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("ssh address: %w", rootOf(err))
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

// target returns user@host for people.
func (s *sshHost) target() string {
	if s.user == "" {
		return s.name
	}
	return s.user + "@" + s.name
}

func (s *sshHost) args() []string {
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
	release := sync.OnceFunc(func() { <-s.slots })
	cmd := exec.Command("ssh", s.args()...)
	in, err := cmd.StdinPipe()
	if err != nil {
		release()
		return nil, fmt.Errorf("ssh %s: %w", s.target(), err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		release()
		return nil, fmt.Errorf("ssh %s: %w", s.target(), err)
	}
	conn := &sshConn{target: s.target(), cmd: cmd, in: in, out: out, loggedIn: release}
	cmd.Stderr = &conn.complaint
	if err := cmd.Start(); err != nil {
		release()
		return nil, fmt.Errorf("ssh %s: %w", s.target(), err)
	}
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
	closing   sync.Once
}

func (c *sshConn) Read(p []byte) (int, error) {
	n, err := c.out.Read(p)
	c.loggedIn()
	if errors.Is(err, io.EOF) && n == 0 {
		if text := c.complaint.String(); text != "" {
			err = fmt.Errorf("ssh %s: %s", c.target, text)
		}
	}
	return n, err
}

func (c *sshConn) Write(p []byte) (int, error) { return c.in.Write(p) }

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
	return oneLine(string(t.buf))
}
