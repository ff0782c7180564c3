package dockerapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/registry"
)

// RegistryAuths reads logins of registries where the docker command keeps
// them: config.json and the credential programs it names.
type RegistryAuths struct{ Dir string }

type dockerConfig struct {
	Auths map[string]struct {
		Auth          string `json:"auth"`
		Username      string `json:"username"`
		Password      string `json:"password"`
		IdentityToken string `json:"identitytoken"`
	} `json:"auths"`
	CredsStore  string            `json:"credsStore"`
	CredHelpers map[string]string `json:"credHelpers"`
}

// hubKey is the name Docker Hub's login is kept under.
const hubKey = "https://index.docker.io/v1/"

// Header returns the login for the registry of a reference as the engine takes
// it, "" when there is none.
func (a RegistryAuths) Header(ctx context.Context, ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", nil // the engine says what is wrong with it
	}
	conf, err := a.read()
	if err != nil {
		return "", err
	}
	login, err := conf.login(ctx, reference.Domain(named))
	if err != nil || login == nil {
		return "", err
	}
	return registry.EncodeAuthConfig(*login)
}

// All returns every login that stands in the configuration, for builds, whose
// base images may come from anywhere.
func (a RegistryAuths) All(ctx context.Context) (map[string]registry.AuthConfig, error) {
	conf, err := a.read()
	if err != nil {
		return nil, err
	}
	out := map[string]registry.AuthConfig{}
	for key := range conf.Auths {
		if login, err := conf.login(ctx, hostOfKey(key)); err == nil && login != nil {
			out[key] = *login
		}
	}
	for host := range conf.CredHelpers {
		if login, err := conf.login(ctx, host); err == nil && login != nil {
			out[host] = *login
		}
	}
	return out, nil
}

func (a RegistryAuths) read() (*dockerConfig, error) {
	var conf dockerConfig
	if a.Dir == "" {
		return &conf, nil
	}
	if err := readJSON(filepath.Join(a.Dir, "config.json"), &conf); err != nil {
		return nil, fmt.Errorf("registry logins: %w", err)
	}
	return &conf, nil
}

// login returns the login of a registry host ("docker.io", "ghcr.io:443").
func (c *dockerConfig) login(ctx context.Context, host string) (*registry.AuthConfig, error) {
	keys := []string{host, "https://" + host}
	if host == "docker.io" || host == "index.docker.io" {
		keys = []string{hubKey, "index.docker.io", "docker.io"}
	}
	for _, key := range keys {
		if program := c.CredHelpers[key]; program != "" {
			return askProgram(ctx, program, key)
		}
	}
	for _, key := range keys {
		entry, ok := c.Auths[key]
		if !ok {
			continue
		}
		login := registry.AuthConfig{ServerAddress: key, Username: entry.Username, Password: entry.Password, IdentityToken: entry.IdentityToken}
		if entry.Auth != "" {
			plain, err := base64.StdEncoding.DecodeString(entry.Auth)
			if err != nil {
				return nil, fmt.Errorf("registry login of %s: it is not base64", key)
			}
			user, password, _ := strings.Cut(string(plain), ":")
			login.Username, login.Password = user, strings.TrimRight(password, "\x00")
		}
		if login.Username != "" || login.IdentityToken != "" {
			return &login, nil
		}
	}
	if c.CredsStore != "" {
		return askProgram(ctx, c.CredsStore, keys[0])
	}
	return nil, nil
}

// askProgram asks docker-credential-NAME; that it knows no login is no error.
func askProgram(ctx context.Context, name, server string) (*registry.AuthConfig, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker-credential-"+filepath.Base(name), "get")
	cmd.Stdin = strings.NewReader(server)
	cmd.WaitDelay = time.Second // what it left behind may hold its output open
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		// The program says on its output, not by its status, that it has none.
		if strings.Contains(out.String(), "not found") || out.Len() == 0 {
			return nil, nil
		}
		return nil, fmt.Errorf("registry login of %s: docker-credential-%s: %w", server, filepath.Base(name), err)
	}
	var got struct{ Username, Secret string }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		return nil, fmt.Errorf("registry login of %s: docker-credential-%s did not answer in JSON", server, filepath.Base(name))
	}
	login := &registry.AuthConfig{ServerAddress: server}
	if got.Username == "<token>" {
		login.IdentityToken = got.Secret
	} else {
		login.Username, login.Password = got.Username, got.Secret
	}
	return login, nil
}

func hostOfKey(key string) string {
	if key == hubKey {
		return "docker.io"
	}
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	host, _, _ := strings.Cut(key, "/")
	return host
}
