package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/brokertest"
)

// TestDocsTutorials runs the tutorials in a shell, in the order in which they are
// read, and holds what they show against what the commands print; -update
// writes that. A page is read as:
//
//	<!-- file: NAME -->    the fenced block below is written to the file NAME
//	```console             each line after "$ " is a command, what follows its output
//
// `midaz` is the program with an engine in memory (docsSystem) and the real
// kinds, `docker` does to that engine what the pages do by hand, and the broker
// is brokertest's.
func TestDocsTutorials(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no shell")
	}
	pages, err := filepath.Glob(filepath.Join(projectRoot, "docs/tutorials/*.md"))
	if err != nil || pages == nil {
		t.Fatalf("no tutorials: %v", err)
	}
	for _, path := range pages {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".md"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			current(t, path, newReading(t).page(string(text)))
		})
	}
}

// reading is a tutorial that is being followed.
type reading struct {
	t      *testing.T
	dir    string
	env    []string
	broker *brokertest.Broker
	status int // of the last command
}

func newReading(t *testing.T) *reading {
	bin, dir := t.TempDir(), t.TempDir()
	for name, stand := range map[string]string{"midaz": "midaz-docs", "docker": "docker-docs"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\nexec "+stand+" \"$@\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	broker := brokertest.New(t)
	env := os.Environ()
	for _, verb := range []string{"apply", "up", "down", "destroy", "rollback"} {
		env = append(env, "MIDAZ_CLI_ARGS_"+verb+"=-parallelism=1") // one order of what is told
	}
	return &reading{t: t, dir: dir, broker: broker, env: append(env,
		"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "NO_COLOR=1", "TERM=dumb", "TZ=UTC", "MIDAZ_ACTOR=ann", "HOME="+dir,
		docsWorldFile+"="+filepath.Join(bin, "world.yaml"), docsBroker+"="+strings.TrimPrefix(broker.URL(), "http://"))}
}

var fileComment = regexp.MustCompile(`^<!-- file: (\S+) -->$`)

// page follows the page and returns it with what its commands have printed.
func (r *reading) page(text string) string {
	var out []string
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		out = append(out, lines[i])
		language := strings.TrimLeft(lines[i], "`")
		ticks := strings.TrimSuffix(lines[i], language)
		if len(ticks) < 3 {
			continue
		}
		end := i + 1
		for end < len(lines) && lines[end] != ticks {
			end++
		}
		body := lines[i+1 : min(end, len(lines))]
		if i > 0 {
			if m := fileComment.FindStringSubmatch(lines[i-1]); m != nil {
				r.write(m[1], strings.Join(body, "\n")+"\n")
			}
		}
		if language == "console" {
			body = r.console(body)
			if slices.Contains(body, ticks) {
				r.t.Errorf("what is printed has a fence of its own: begin and end the block with more than %s", ticks)
			}
		}
		out = append(out, body...)
		out = append(out, ticks)
		i = end
	}
	return strings.Join(out, "\n")
}

func (r *reading) write(name, text string) {
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// console runs the commands of a block and returns it with their output. Lines
// that only come in another order stay as they were: a gate that is waited for
// beside other steps is told when it is told.
func (r *reading) console(body []string) []string {
	var out []string
	for i := 0; i < len(body); {
		command, ok := strings.CutPrefix(body[i], "$ ")
		if !ok {
			i++
			continue // printed by no command
		}
		out = append(out, body[i])
		for ; strings.HasSuffix(body[i], `\`) && i+1 < len(body); i++ {
			out, command = append(out, body[i+1]), command+"\n"+body[i+1]
		}
		i++
		end := i
		for end < len(body) && !strings.HasPrefix(body[end], "$ ") {
			end++
		}
		was := body[i:end]
		var lines []string
		if printed := r.run(command); printed != "" {
			lines = strings.Split(strings.TrimRight(printed, "\n"), "\n")
		}
		if slices.Equal(slices.Sorted(slices.Values(was)), slices.Sorted(slices.Values(lines))) {
			lines = was
		}
		out, i = append(out, lines...), end
	}
	return out
}

func (r *reading) run(command string) string {
	var out bytes.Buffer
	sh := exec.Command("sh", "-c", fmt.Sprintf("(exit %d)\n%s", r.status, command))
	sh.Dir, sh.Env, sh.Stdout, sh.Stderr = r.dir, r.env, &out, &out
	if err := sh.Run(); err != nil && sh.ProcessState == nil {
		r.t.Fatalf("%s: %v", command, err)
	}
	r.status = sh.ProcessState.ExitCode()
	if strings.Contains(out.String(), "not found") || strings.Contains(out.String(), "bug in midaz") {
		r.t.Errorf("%s:\n%s", command, out.String())
	}
	return out.String()
}
