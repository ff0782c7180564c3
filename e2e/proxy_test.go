//go:build e2e

package e2e

import (
	"io"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
)

// The recording proxy must be invisible to a client of the real engine, the
// hijacked streams of exec and attach included.
func TestProxy_must_carry_every_kind_of_call(t *testing.T) {
	s := newStack(t, "")
	p := s.record()
	host := ""
	for _, e := range s.env {
		if v, ok := strings.CutPrefix(e, "DOCKER_HOST="); ok {
			host = v
		}
	}
	c, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	id := runContainer(t, s.name, &container.Config{Image: tiny, Cmd: []string{"serve", "-log", "a line"}}, nil)

	made, err := c.ContainerExecCreate(ctx, id, container.ExecOptions{Cmd: []string{"/tiny", "say", "through", "exec"}, AttachStdout: true,
		AttachStderr: true})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := c.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if _, err := stdcopy.StdCopy(&out, io.Discard, stream.Reader); err != nil {
		t.Fatal(err)
	}
	stream.Close()
	if out.String() != "through exec\n" {
		t.Errorf("exec wrote %q", out.String())
	}

	attached, err := c.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdout: true, Logs: true})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, longest, func() error { return docker.ContainerKill(ctx, id, "TERM") })
	out.Reset()
	if _, err := stdcopy.StdCopy(&out, io.Discard, attached.Reader); err != nil {
		t.Fatal(err)
	}
	attached.Close()
	if !strings.Contains(out.String(), "tiny starts\n") || !strings.Contains(out.String(), "tiny stops\n") {
		t.Errorf("attach gave %q", out.String())
	}

	var got []string
	for _, call := range p.Writes() {
		got = append(got, call.Method+" "+call.Path[:strings.LastIndex(call.Path, "/")+1]+"...")
	}
	if len(got) != 3 || p.Writes()[0].Path != "/containers/"+id+"/exec" || p.Writes()[1].Status != 101 {
		t.Errorf("writes: %v", p.Writes())
	}
}
