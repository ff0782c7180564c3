package dockerapi

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/client"
	"github.com/docker/go-connections/tlsconfig"

	"github.com/LerianStudio/midaz-infra/resources"
)

// EngineHost is where an engine listens and how it is reached.
type EngineHost struct {
	Host string // as in DOCKER_HOST
	From string // what said so, for people
	tls  *tls.Config
	SSH  *sshHost // nil unless the address is ssh://
	// ConfigDir is the folder of the docker command's configuration.
	ConfigDir string
	Version   string // by which the engine named itself when it first answered
	Other     string // the name of an engine that is not Docker
}

// IsLocal reports whether the engine runs on this host.
func (h EngineHost) IsLocal() bool {
	scheme, rest, _ := strings.Cut(h.Host, "://")
	switch scheme {
	case "unix", "npipe":
		// Docker Desktop's socket leads into a virtual machine.
		return !strings.Contains(rest, ".docker/desktop") && runtime.GOOS == "linux"
	case "tcp", "http", "https":
		name, _, err := net.SplitHostPort(rest)
		if err != nil {
			name = rest
		}
		ip := net.ParseIP(name)
		return name == "localhost" || ip != nil && ip.IsLoopback()
	default:
		return false
	}
}

// PublicName is the name or address under which published ports are reached.
func (h EngineHost) PublicName() string {
	if h.SSH != nil {
		return h.SSH.name
	}
	scheme, rest, _ := strings.Cut(h.Host, "://")
	if scheme == "unix" || scheme == "npipe" {
		return "127.0.0.1"
	}
	rest, _, _ = strings.Cut(rest, "/")
	if name, _, err := net.SplitHostPort(rest); err == nil {
		return name
	}
	return rest
}

// explain returns why nothing answers at the address. The client library hides
// the cause, so the socket is tried once more.
func (h EngineHost) explain(err error) error {
	scheme, rest, _ := strings.Cut(h.Host, "://")
	if scheme == "unix" {
		conn, dialErr := net.DialTimeout("unix", rest, time.Second)
		if dialErr != nil {
			return RootOf(dialErr)
		}
		_ = conn.Close()
	}
	return RootOf(err)
}

// RootOf strips the request and its invented host name from a connection error.
func RootOf(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err
	}
	if sys := (*os.SyscallError)(nil); errors.As(err, &sys) {
		err = sys.Err
	}
	return err
}

func (o Options) lookup(name string) (string, bool) {
	if o.LookupEnv == nil {
		return "", false
	}
	return o.LookupEnv(name)
}

// Endpoint finds the engine in the docker command's order: --host, --context,
// DOCKER_HOST, DOCKER_CONTEXT, the current context, the default socket.
func (o Options) Endpoint() (EngineHost, error) {
	dir := o.configDir()
	h := EngineHost{ConfigDir: dir}
	env := func(name string) string { v, _ := o.lookup(name); return v }
	var name string
	switch {
	case o.Host != "":
		h.Host, h.From = o.Host, "--host"
	case o.Context != "":
		name, h.From = o.Context, fmt.Sprintf("context %q of the command line", o.Context)
	case env("DOCKER_HOST") != "":
		h.Host, h.From = env("DOCKER_HOST"), "DOCKER_HOST"
	case env("DOCKER_CONTEXT") != "":
		name, h.From = env("DOCKER_CONTEXT"), fmt.Sprintf("DOCKER_CONTEXT %q", env("DOCKER_CONTEXT"))
	default:
		current, err := currentContext(dir)
		if err != nil {
			h.From = filepath.Join(dir, "config.json")
			return h, err
		}
		if name = current; name != "" {
			h.From = fmt.Sprintf("the current Docker context %q", name)
		}
	}
	if h.Host == "" && name != "" && name != "default" {
		if err := h.readContext(dir, name); err != nil {
			return h, err
		}
		return h, h.check()
	}
	if h.Host == "" {
		h.Host, h.From = client.DefaultDockerHost, "Docker's default"
	}
	if err := h.check(); err != nil {
		return h, err
	}
	return h, h.readTLS(o, dir)
}

// check understands the address.
func (h *EngineHost) check() error {
	scheme, rest, ok := strings.Cut(h.Host, "://")
	if !ok || rest == "" {
		return fmt.Errorf("%q is no address of an engine", h.Host)
	}
	switch scheme {
	case "unix", "tcp", "npipe", "http", "https":
		return nil
	case "ssh":
		ssh, err := NewSSHHost(h.Host)
		h.SSH = ssh
		return err
	default:
		return fmt.Errorf("scheme %q is not understood", scheme)
	}
}

// readTLS loads the certificates for a tcp address when the environment or the
// options ask for TLS.
func (h *EngineHost) readTLS(o Options, dir string) error {
	if !strings.HasPrefix(h.Host, "tcp://") && !strings.HasPrefix(h.Host, "https://") {
		return nil
	}
	verify := o.TLSVerify
	if v, _ := o.lookup("DOCKER_TLS_VERIFY"); v != "" {
		verify = true
	}
	path := o.CertPath
	if path == "" {
		path, _ = o.lookup("DOCKER_CERT_PATH")
	}
	if path == "" && !verify {
		return nil
	}
	if path == "" {
		path = dir
	} else if err := checkCertFolder(path); err != nil {
		return err
	}
	return h.loadTLS(path, !verify)
}

// checkCertFolder refuses a folder of certificates that holds none: going on
// without them would end in a TLS error that does not name the cause.
func checkCertFolder(path string) error {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("DOCKER_CERT_PATH names %s, which does not exist", path)
	case err != nil:
		return fmt.Errorf("DOCKER_CERT_PATH: %w", err)
	case !st.IsDir():
		return fmt.Errorf("DOCKER_CERT_PATH names %s, which is not a folder", path)
	}
	for _, name := range []string{"ca.pem", "cert.pem", "key.pem"} {
		if fileExists(filepath.Join(path, name)) {
			return nil
		}
	}
	return fmt.Errorf("DOCKER_CERT_PATH names %s, which has none of ca.pem, cert.pem and key.pem", path)
}

// loadTLS reads ca.pem, cert.pem and key.pem of a folder; a missing one is left
// out.
func (h *EngineHost) loadTLS(dir string, insecure bool) error {
	opts := tlsconfig.Options{InsecureSkipVerify: insecure, ExclusiveRootPools: true}
	for _, f := range []struct {
		name string
		into *string
	}{{"ca.pem", &opts.CAFile}, {"cert.pem", &opts.CertFile}, {"key.pem", &opts.KeyFile}} {
		if path := filepath.Join(dir, f.name); fileExists(path) {
			*f.into = path
		}
	}
	conf, err := tlsconfig.Client(opts)
	if err != nil {
		return fmt.Errorf("certificates in %s: %w", dir, err)
	}
	h.tls = conf
	return nil
}

func fileExists(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

// configDir returns the folder of the docker command's configuration.
func (o Options) configDir() string {
	if dir, _ := o.lookup("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	for _, name := range []string{"HOME", "USERPROFILE"} {
		if home, _ := o.lookup(name); home != "" {
			return filepath.Join(home, ".docker")
		}
	}
	return ".docker"
}

// maxConfig bounds a configuration file of the docker command.
const maxConfig = 4 << 20

// readJSON reads a JSON file; a missing file leaves into as it is.
func readJSON(path string, into any) error {
	st, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Size() > maxConfig {
		return fmt.Errorf("%s is larger than %d MiB", path, maxConfig>>20)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func currentContext(dir string) (string, error) {
	var conf struct{ CurrentContext string }
	err := readJSON(filepath.Join(dir, "config.json"), &conf)
	return conf.CurrentContext, err
}

// readContext reads a Docker context: its address and its certificates, both
// kept under the SHA-256 of its name.
func (h *EngineHost) readContext(dir, name string) error {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	path := filepath.Join(dir, "contexts", "meta", id, "meta.json")
	if !fileExists(path) {
		return fmt.Errorf("there is no Docker context %q", name)
	}
	if err := readJSON(path, &meta); err != nil {
		return fmt.Errorf("context %q: %w", name, err)
	}
	docker := meta.Endpoints["docker"]
	if docker.Host == "" {
		return fmt.Errorf("context %q names no Docker address", name)
	}
	h.Host = docker.Host
	tlsDir := filepath.Join(dir, "contexts", "tls", id, "docker")
	if _, err := os.Stat(tlsDir); err != nil || strings.HasPrefix(docker.Host, "ssh://") || strings.HasPrefix(docker.Host, "unix://") {
		return nil
	}
	return h.loadTLS(tlsDir, docker.SkipTLSVerify)
}

// IsRefused reports whether a host answered that nothing listens.
func IsRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// Reach opens a connection to a published port of the engine's host.
func (h EngineHost) Reach(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", RootOf(err), resources.ErrUnreachable)
	}
	return conn, nil
}
