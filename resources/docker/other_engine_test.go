package docker

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// engineThatSays is an HTTP server that answers the first questions of a client
// as an engine does.
func engineThatSays(t *testing.T, server, components string) dockerapi.Options {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if server != "" {
			w.Header().Set("Server", server)
		}
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Ostype", "linux")
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/version") {
			_, _ = io.WriteString(w, `{"ApiVersion":"1.41","Components":[`+components+`]}`)
		}
	}))
	t.Cleanup(s.Close)
	host := "tcp://" + s.Listener.Addr().String()
	return dockerapi.Options{LookupEnv: env(map[string]string{"DOCKER_HOST": host})}
}

func TestOtherEngineIsReadAndNotWrittenTo(t *testing.T) {
	const podman = `{"Name":"Podman Engine","Version":"5.4.2"},{"Name":"Conmon","Version":"2.1"}`
	for name, c := range map[string]struct{ server, components, other string }{
		"Docker":                    {"Docker/28.5.2 (linux)", `{"Name":"Engine","Version":"28.5.2"}`, ""},
		"Docker behind a proxy":     {"", `{"Name":"Engine","Version":"28.5.2"}`, ""},
		"an engine of no name":      {"", "", ""},
		"Podman":                    {"Libpod/5.4.2 (linux)", podman, "Podman Engine 5.4.2"},
		"Podman behind a proxy":     {"nginx", podman, "Podman Engine 5.4.2"},
		"Podman without the header": {"", podman, "Podman Engine 5.4.2"},
	} {
		t.Run(name, func(t *testing.T) {
			o := engineThatSays(t, c.server, c.components)
			e, err := OpenReader(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if got := e.Other(); got != c.other {
				t.Errorf("read as %q, want %q", got, c.other)
			}
			w, err := Open(t.Context(), o)
			var refused *resources.OtherEngineError
			if errors.As(err, &refused) != (c.other != "") {
				t.Errorf("opened for writing: %v", err)
			}
			if w != nil {
				_ = w.Close()
			}
		})
	}
}
