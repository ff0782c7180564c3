package docker

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// TestMain lets this program stand for `docker system dial-stdio`: with
// MIDAZ_TEST_DIAL it passes its input and output on to that socket.
func TestMain(m *testing.M) {
	path := os.Getenv("MIDAZ_TEST_DIAL")
	if path == "" {
		os.Exit(m.Run())
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		os.Exit(255)
	}
	go func() {
		_, _ = io.Copy(conn, os.Stdin)
		_ = conn.(*net.UnixConn).CloseWrite()
	}()
	_, _ = io.Copy(os.Stdout, conn)
	os.Exit(0)
}

// fakeSSH puts a program called ssh first that reaches the socket.
func fakeSSH(t *testing.T, socket string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sshProgram(t, fmt.Sprintf("MIDAZ_TEST_DIAL='%s' exec '%s'", socket, self))
}

// sshProgram puts a program called ssh first that runs the script.
func sshProgram(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	script = "#!/bin/sh\n[ \"$*\" = \"-T -o ConnectTimeout=30 -o BatchMode=yes -l me -- far docker system dial-stdio\" ] || exit 64\n" +
		script + "\n"
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestEngineBehindSSH(t *testing.T) {
	host := fakeDaemon(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"NCPU":5}`) })
	fakeSSH(t, strings.TrimPrefix(host, "unix://"))
	e, err := OpenReader(t.Context(), dockerapi.Options{Host: "ssh://me@far"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.IsLocal() || e.host.PublicName() != "far" {
		t.Errorf("%+v", e.host)
	}
	// More calls at a time than logins may be under way.
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if info, err := e.api.Info(t.Context()); err != nil || info.NCPU != 5 {
				t.Errorf("%v %v", info.NCPU, err)
			}
		})
	}
	wg.Wait()
}

// ssh may end its output before it says why.
func TestSSHThatIsRefused(t *testing.T) {
	for name, script := range map[string]string{
		"at once":                "echo 'permission denied (publickey)' >&2; exit 255",
		"some time after":        "exec >&-; sleep 0.1; echo 'permission denied (publickey)' >&2; exit 255",
		"without taking a thing": "exec <&- >&-; sleep 0.1; echo 'permission denied (publickey)' >&2; exit 255",
		"by a helper that stays": "echo 'permission denied (publickey)' >&2; sleep 5 >&- & exit 255",
	} {
		t.Run(name, func(t *testing.T) {
			sshProgram(t, script)
			_, err := OpenReader(t.Context(), dockerapi.Options{Host: "ssh://me@far"})
			var d *resources.Diagnosis
			if !errors.As(err, &d) || !strings.Contains(err.Error(), "publickey") || !strings.Contains(d.Hint, "ssh me@far docker version") {
				t.Errorf("%v, %+v", err, d)
			}
		})
	}
}
