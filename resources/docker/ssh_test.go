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
		fmt.Fprintln(os.Stderr, "permission denied (publickey)")
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
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n[ \"$*\" = \"-T -o ConnectTimeout=30 -o BatchMode=yes -l me -- far docker system dial-stdio\" ] || exit 64\nMIDAZ_TEST_DIAL='%s' exec '%s'\n", socket, self)
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestEngineBehindSSH(t *testing.T) {
	host := fakeDaemon(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"NCPU":5}`) })
	fakeSSH(t, strings.TrimPrefix(host, "unix://"))
	e, err := OpenReader(t.Context(), Options{Host: "ssh://me@far"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.IsLocal() || e.host.publicName() != "far" {
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

func TestSSHThatIsRefused(t *testing.T) {
	fakeSSH(t, "/nowhere")
	_, err := OpenReader(t.Context(), Options{Host: "ssh://me@far"})
	var d *resources.Diagnosis
	if !errors.As(err, &d) || !strings.Contains(err.Error(), "publickey") || !strings.Contains(d.Hint, "ssh me@far docker version") {
		t.Errorf("%v, %+v", err, d)
	}
}
