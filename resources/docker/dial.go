package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// Dialer returns a function that opens a TCP connection to a port that a
// service listens on inside its container: at the container's address when the
// engine runs on this host, else at the port it publishes. Its errors wrap
// resources.ErrUnreachable while the container is not there, does not run, or
// does not listen yet.
func (e *ReadEngine) Dialer() func(ctx context.Context, service *resources.Resource, containerPort int) (net.Conn, error) {
	return func(ctx context.Context, service *resources.Resource, containerPort int) (net.Conn, error) {
		name := containerName(service)
		ictx, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		c, err := e.api.ContainerInspect(ictx, name)
		if cerrdefs.IsNotFound(err) {
			return nil, fmt.Errorf("container %s does not exist: %w", name, resources.ErrUnreachable)
		}
		if err != nil {
			return nil, fmt.Errorf("inspect container %s: %w", name, err)
		}
		if c.Config == nil || c.Config.Labels[labelStack] != service.Stack {
			return nil, fmt.Errorf("container %s is not this stack's: %w", name, resources.ErrUnreachable)
		}
		if !hasProcess(c.State) || c.State.Paused {
			return nil, fmt.Errorf("container %s does not run: it is %s: %w", name, stateText(&c), resources.ErrUnreachable)
		}
		conn, err := e.reach(ctx, &c, containerPort)
		if err != nil {
			return nil, fmt.Errorf("connect to port %d of container %s: %w", containerPort, name, err)
		}
		return conn, nil
	}
}

// Runner returns a function that runs a command in the container of a service
// and returns what it printed. One that does not end with 0 is an error.
func (e *Engine) Runner() func(ctx context.Context, service *resources.Resource, cmd []string) (string, error) {
	return func(ctx context.Context, service *resources.Resource, cmd []string) (string, error) {
		name := containerName(service)
		ictx, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		c, err := e.api.ContainerInspect(ictx, name)
		if err != nil {
			return "", fmt.Errorf("inspect container %s: %w", name, err)
		}
		if c.Config == nil || c.Config.Labels[labelStack] != service.Stack {
			return "", fmt.Errorf("container %s is not this stack's", name)
		}
		code, output, err := e.execute(ctx, c.ID, cmd, probeTimeout)
		if err == nil && code != 0 {
			err = fmt.Errorf("exit %d: %s", code, dockerapi.OneLine(output))
		}
		if err != nil {
			return output, fmt.Errorf("run %s in container %s: %w", cmd[0], name, err)
		}
		return output, nil
	}
}

// errNoWay says that no address leads from here to a port of a container.
var errNoWay = errors.New("no way to it from here")

// directTimeout bounds the try at a container's own address: where this process
// runs in a container of its own, there may be no route to it.
const directTimeout = time.Second

// reach opens a connection to a port of a running container.
func (e *ReadEngine) reach(ctx context.Context, c *container.InspectResponse, port int) (net.Conn, error) {
	c, err := e.networkedBy(ctx, c)
	if err != nil {
		return nil, err
	}
	tried := fmt.Errorf("the port is not published, and the engine at %s is on another host: publish it under `ports`: %w", e.Host(), errNoWay)
	if e.local {
		for _, ip := range addressesOf(c) {
			dctx, cancel := context.WithTimeout(ctx, directTimeout)
			conn, err := e.host.Reach(dctx, net.JoinHostPort(ip, strconv.Itoa(port)))
			cancel()
			if err == nil {
				return conn, nil
			}
			if dockerapi.IsRefused(err) {
				return nil, err // nothing listens; a published port would only hide that
			}
			tried = err
		}
	}
	if c.HostConfig != nil && c.HostConfig.NetworkMode.IsHost() {
		return e.host.Reach(ctx, net.JoinHostPort(e.host.PublicName(), strconv.Itoa(port)))
	}
	for _, addr := range e.publishedAt(c, port) {
		conn, err := e.host.Reach(ctx, addr)
		if err == nil {
			return answering(conn)
		}
		tried = err
	}
	return nil, tried
}

// networkedBy returns the container that has the addresses and the published ports
// of c: c itself, or the one whose network it shares. What is asked for on behalf of
// c must not be answered by others, so that one may not have left c behind.
func (e *ReadEngine) networkedBy(ctx context.Context, c *container.InspectResponse) (*container.InspectResponse, error) {
	for seen := []string{c.ID}; c.HostConfig != nil && c.HostConfig.NetworkMode.IsContainer(); seen = append(seen, c.ID) {
		ref := c.HostConfig.NetworkMode.ConnectedContainer()
		ictx, cancel := context.WithTimeout(ctx, readTimeout)
		of, err := e.api.ContainerInspect(ictx, ref)
		cancel()
		switch {
		case cerrdefs.IsNotFound(err):
			return nil, fmt.Errorf("container %s, whose network it shares, is gone: %w", shortID(ref), resources.ErrUnreachable)
		case err != nil:
			return nil, fmt.Errorf("inspect container %s, whose network it shares: %w", shortID(ref), err)
		case slices.Contains(seen, of.ID):
			return nil, fmt.Errorf("container %s shares its own network: %w", nameOf(&of), resources.ErrUnreachable)
		case !hasProcess(of.State):
			return nil, fmt.Errorf("container %s, whose network it shares, does not run: it is %s: %w", nameOf(&of), stateText(&of),
				resources.ErrUnreachable)
		case leftBehind(c.State, parseTime(of.State.StartedAt)):
			return nil, fmt.Errorf("container %s, whose network it shares, was started after it: %w", nameOf(&of), resources.ErrUnreachable)
		}
		c = &of
	}
	return c, nil
}

// addressesOf returns the container's own addresses, of all networks.
func addressesOf(c *container.InspectResponse) []string {
	var out []string
	if c.NetworkSettings == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(c.NetworkSettings.Networks)) {
		if ep := c.NetworkSettings.Networks[name]; ep != nil && ep.IPAddress != "" {
			out = append(out, ep.IPAddress)
		} else if ep != nil && ep.GlobalIPv6Address != "" {
			out = append(out, ep.GlobalIPv6Address)
		}
	}
	return out
}

// publishedAt returns the addresses of the host at which a port is published.
func (e *ReadEngine) publishedAt(c *container.InspectResponse, port int) []string {
	if c.NetworkSettings == nil {
		return nil
	}
	var out []string
	for _, b := range c.NetworkSettings.Ports[nat.Port(strconv.Itoa(port)+"/tcp")] {
		host := e.host.PublicName()
		if ip, err := netip.ParseAddr(b.HostIP); err == nil && !ip.IsUnspecified() && (e.local || !ip.IsLoopback()) {
			host = b.HostIP
		}
		if addr := net.JoinHostPort(host, b.HostPort); !slices.Contains(out, addr) {
			out = append(out, addr)
		}
	}
	return out
}

// answering tells a connection that the container holds from one that only the
// engine's proxy has accepted: the proxy closes it at once when nothing listens
// behind it.
func answering(conn net.Conn) (net.Conn, error) {
	first := make([]byte, 1)
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	n, err := conn.Read(first)
	_ = conn.SetReadDeadline(time.Time{})
	var timeout net.Error
	switch {
	case n > 0:
		return &begunConn{Conn: conn, first: first[:n]}, nil
	case errors.As(err, &timeout) && timeout.Timeout():
		return conn, nil // it waits for us to speak, as most servers do
	default:
		_ = conn.Close()
		return nil, fmt.Errorf("the published port is open but nothing listens behind it: %w", resources.ErrUnreachable)
	}
}

// begunConn is a connection whose first bytes were read already.
type begunConn struct {
	net.Conn
	first []byte
}

func (c *begunConn) Read(p []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}
