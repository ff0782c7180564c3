//go:build e2e

package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
)

// journalRuns is what `history -json` says.
type journalRuns struct {
	Runs []struct {
		ID, Command, Who, Result string
		Add                      int
		CanRollBack              bool `json:"can_roll_back"`
	}
}

func (s *stack) history() journalRuns {
	s.t.Helper()
	var h journalRuns
	s.exits(0, "history", "-json").json(&h)
	return h
}

// journal returns the volumes of the stack's journal, and all that their labels
// hold, unfolded.
func (s *stack) journal() (names []string, text string) {
	s.t.Helper()
	list, err := docker.VolumeList(s.t.Context(), volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "midaz.runs="+s.name))})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, v := range list.Volumes {
		names = append(names, v.Name)
		for _, label := range v.Labels {
			text += label + "\n"
			raw, err := base64.RawStdEncoding.DecodeString(label)
			if err != nil {
				continue
			}
			if r, err := gzip.NewReader(bytes.NewReader(raw)); err == nil {
				unfolded, _ := io.ReadAll(r)
				text += string(unfolded)
			}
		}
	}
	return names, text
}

const journalled = `
	variables:
	  CANARY: { sensitive: true }
	services:
	  a:
	    image: TINY
	    environment: { CANARY: "${CANARY}", OTHER_PASSWORD: canary-written-in-the-spec }
	    files:
	      - { source: open.txt, target: /open.txt }
	      - { source: closed.txt, target: /closed.txt, sensitive: true }
	    gate: { stable_for: 1ms }
	`

func newJournalled(t *testing.T) *stack {
	s := newStack(t, journalled)
	s.setenv("CANARY", "canary-of-the-environment")
	s.setenv("MIDAZ_ACTOR", "alice")
	s.write("open.txt", "one\n")
	s.write("closed.txt", "canary-in-a-file\n")
	return s
}

func TestJournal_must_outlive_down_go_with_destroy_and_hold_no_secret(t *testing.T) {
	t.Parallel()
	s := newJournalled(t)
	s.apply()
	s.apply() // nothing to do
	s.write("open.txt", "two\n")
	s.apply()
	names, text := s.journal()
	if len(names) != 4 { // two runs, and what each was made from
		t.Errorf("volumes: %v", names)
	}
	if !strings.Contains(text, "open.txt") || !strings.Contains(text, "alice") {
		t.Errorf("the journal says only\n%s", text)
	}
	if strings.Contains(text, "canary-") {
		t.Error("the journal holds a secret")
	}
	s.exits(0, "down")
	h := s.history()
	if len(h.Runs) != 3 || h.Runs[0].Command != "down" || h.Runs[2].Result != "done" || h.Runs[2].Who != "alice" || h.Runs[2].Add == 0 {
		t.Errorf("history: %+v", h)
	}
	s.exits(0, "destroy", "-auto-approve").says("journal of stack .* \\(3 runs\\) is removed")
	if names, _ := s.journal(); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
}

func TestRollback_must_bring_back_spec_files_values_and_image(t *testing.T) {
	t.Parallel()
	s := newJournalled(t)
	ref := "midaz-e2e/" + s.name + ":1"
	t.Cleanup(func() { removeImage(ref) })
	if err := docker.ImageTag(t.Context(), tiny, ref); err != nil {
		t.Fatal(err)
	}
	spec := strings.ReplaceAll(journalled, "TINY", ref)
	s.write("midaz.infra.yaml", strings.Replace(spec, "CANARY: \"", "SIZE: \"${SIZE:-1}\", CANARY: \"", 1))
	s.apply()
	before := s.container("a")
	run := s.history().Runs[0].ID

	other, err := docker.ContainerCommit(t.Context(), before.ID, container.CommitOptions{Reference: ref, Changes: []string{"LABEL other=yes"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeImage(other.ID) })
	s.write("open.txt", "two\n")
	s.write("midaz.infra.yaml", strings.Replace(spec, "CANARY: \"", "SIZE: \"2\", CANARY: \"", 1))
	s.setenv("SIZE", "3")
	s.apply()
	if got := s.container("a").Image; got != other.ID {
		t.Fatalf("it runs %s, not the new image %s", got, other.ID)
	}

	s.exits(0, "rollback", run[:6], "-auto-approve").says("Going back to run "+run, "Apply complete")
	now := s.container("a")
	if now.Image != before.Image {
		t.Errorf("image %s, and it was %s", now.Image, before.Image)
	}
	if env := strings.Join(now.Config.Env, " "); !strings.Contains(env, "SIZE=1") {
		t.Errorf("environment: %s", env)
	}
	if got := s.fileIn("a", "/open.txt"); got != "one\n" {
		t.Errorf("open.txt holds %q", got)
	}
	s.exits(0, "rollback", run, "-auto-approve").says("No changes")
	if h := s.history(); h.Runs[0].Command != "rollback "+run {
		t.Errorf("history: %+v", h)
	}
	// A sensitive file is not kept, and that it changed is said.
	s.write("closed.txt", "canary-of-today\n")
	s.exits(1, "rollback", run, "-input=false").says("closed.txt is sensitive, so it was not kept, and has changed since").saysNot("canary-")
}

func (s *stack) fileIn(service, path string) string {
	s.t.Helper()
	body, _, err := docker.CopyFromContainer(s.t.Context(), s.container(service).ID, path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer body.Close()
	tar, err := io.ReadAll(body)
	if err != nil || len(tar) < 1024 {
		s.t.Fatalf("%s: %v", path, err)
	}
	return strings.TrimRight(string(tar[512:1024]), "\x00")
}

func TestRun_that_was_killed_must_be_seen_in_the_history(t *testing.T) {
	t.Parallel()
	s := newStack(t, slow)
	p := s.record()
	run := s.start("apply", "-auto-approve")
	waitFor(t, p, "the start of a", func(c proxy.Call) bool { return strings.HasSuffix(c.Path, "/start") && c.Status == 204 })
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	run.end()
	h := s.history()
	if len(h.Runs) != 1 || h.Runs[0].Result != "did not end" && h.Runs[0].Result != "running" {
		t.Fatalf("history: %+v", h)
	}
	if !h.Runs[0].CanRollBack {
		t.Error("what it was made from is not kept")
	}
	s.write("midaz.infra.yaml", strings.Replace(slow, "1h]", "1ms]", 1))
	s.apply()
	s.exits(0, "history", h.Runs[0].ID).says("did not end", "run "+s.history().Runs[0].ID+" found it so")
}
