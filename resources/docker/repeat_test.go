package docker

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// dropping is an engine that answers with what it was sent, and loses the
// answers to the calls whose numbers, from 1, are given.
func dropping(t *testing.T, lost ...int32) (*http.Client, string, *atomic.Int32) {
	t.Helper()
	calls := &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n := calls.Add(1)
		for _, l := range lost {
			if n == l {
				panic(http.ErrAbortHandler)
			}
		}
		fmt.Fprintf(w, "%s %s", r.Method, body)
	}))
	t.Cleanup(server.Close)
	return &http.Client{Transport: &dockerapi.Gatekeeper{Next: &http.Transport{DisableKeepAlives: true}}}, server.URL, calls
}

func post(c *http.Client, url string, body io.Reader) (string, error) {
	resp, err := c.Post(url, "text/plain", body)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

func TestRequestWhoseAnswerWasLostIsMadeAgain(t *testing.T) {
	c, url, calls := dropping(t, 2, 3)
	for _, want := range []string{"POST first", "POST second"} {
		if got, err := post(c, url, strings.NewReader(strings.TrimPrefix(want, "POST "))); err != nil || got != want {
			t.Errorf("%q %v, want %q", got, err, want)
		}
	}
	if n := calls.Load(); n != 4 {
		t.Errorf("%d calls, want 4: one, and one that was lost twice", n)
	}
}

func TestBodyThatCannotBeReadAgainIsNotSentAgain(t *testing.T) {
	c, url, calls := dropping(t, 2)
	if _, err := post(c, url, strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	if got, err := post(c, url, io.MultiReader(strings.NewReader("a stream"))); err == nil || calls.Load() != 2 {
		t.Errorf("%q %v after %d calls", got, err, calls.Load())
	}
}

func TestEngineThatNeverAnsweredIsNotWaitedFor(t *testing.T) {
	c, url, calls := dropping(t, 1)
	if got, err := post(c, url, nil); err == nil || calls.Load() != 1 {
		t.Errorf("%q %v after %d calls", got, err, calls.Load())
	}
}
