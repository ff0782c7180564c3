package docker

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// portInUse finds address and port in the engine's words:
// "Bind for 127.0.0.1:5701 failed: port is already allocated",
// "listen tcp4 0.0.0.0:5701: bind: address already in use".
var portInUse = regexp.MustCompile(`((?:\d{1,3}\.){3}\d{1,3}|\[[0-9a-fA-F:]*\]|:::?)?:(\d{1,5})\b`)

// startError says what to do about a container that could not be started.
func (w containerWriter) startError(ctx context.Context, r *resources.Resource, id string, err error) error {
	name := containerName(r)
	wrapped := fmt.Errorf("start container %s: %w", name, err)
	text := err.Error()
	switch {
	case strings.Contains(text, "port is already allocated"), strings.Contains(text, "ddress already in use") && portInUse.MatchString(text):
		return w.portError(ctx, name, id, wrapped, text)
	case strings.Contains(text, "Address already in use"):
		return &resources.Diagnosis{Err: wrapped, Hint: "another container has this fixed address: choose another `ipv4_address`, or leave " +
			"the choice to the engine (`docker network inspect NETWORK` lists them)"}
	case containsAny(text, "executable file not found", "no such file or directory: unknown", "exec format error"):
		return &resources.Diagnosis{Err: wrapped, Hint: "the command is not in the image, or not for this platform: correct `command`, " +
			"`entrypoint` or `platform`"}
	case strings.Contains(text, "permission denied: unknown"):
		return &resources.Diagnosis{Err: wrapped, Hint: "the command may not be executed: give it the permission in the image, or `mode: " +
			"\"0755\"` when it stands under `files`"}
	case strings.Contains(text, "no space left on device"):
		return &resources.Diagnosis{Err: wrapped, Hint: diskHint(w.e.Host())}
	case strings.Contains(text, "network") && strings.Contains(text, "not found"):
		return &resources.Diagnosis{Err: wrapped, Hint: "the network it was on is gone: apply again"}
	case strings.Contains(text, "rlimit"):
		return &resources.Diagnosis{Err: wrapped, Hint: "the engine may not give the container this limit: lower `ulimits`, or raise the " +
			"engine's own limit on its host (`LimitNOFILE`, `LimitNPROC` of docker.service)"}
	case isLostCall(err):
		return resources.Transient(wrapped)
	}
	return wrapped
}

// portError names who holds the port.
func (w containerWriter) portError(ctx context.Context, name, id string, wrapped error, text string) error {
	m := portInUse.FindStringSubmatch(text)
	if m == nil {
		return &resources.Diagnosis{Err: wrapped, Hint: "a port of the host is taken: see `docker ps` and `ss -ltnp`"}
	}
	port, _ := strconv.ParseUint(m[2], 10, 16)
	ip, _ := netip.ParseAddr(strings.Trim(m[1], "[]"))
	proto := "tcp"
	if strings.Contains(text, "udp") {
		proto = "udp"
	}
	lctx, cancel := lasting(ctx, readTimeout)
	defer cancel()
	if holder := w.e.holdingContainer(lctx, id, ip, uint16(port), proto); holder != "" {
		return &resources.Diagnosis{Err: fmt.Errorf("start container %s: port %d of the host is taken by %s: %w", name, port, holder, wrapped),
			Hint: "stop that container, or publish another port"}
	}
	if w.e.local {
		if holder := holdingProcess(uint16(port), proto); holder != "" {
			return &resources.Diagnosis{Err: fmt.Errorf("start container %s: port %d of the host is taken by %s: %w", name, port, holder, wrapped),
				Hint: "stop that process, or publish another port"}
		}
	}
	return &resources.Diagnosis{Err: fmt.Errorf("start container %s: port %d of the host is taken: %w", name, port, wrapped),
		Hint: fmt.Sprintf("find who holds it (`sudo ss -lnp 'sport = :%d'` on the engine's host) and stop it, or publish another port", port)}
}

// holdingContainer returns the container that publishes the port, for people.
func (e *ReadEngine) holdingContainer(ctx context.Context, except string, ip netip.Addr, port uint16, proto string) string {
	list, err := e.api.ContainerList(ctx, container.ListOptions{})
	if err != nil {
		return ""
	}
	for _, c := range list {
		if c.ID == except {
			continue
		}
		for _, p := range c.Ports {
			theirs, _ := netip.ParseAddr(p.IP)
			if p.PublicPort == port && p.Type == proto && overlaps(ip, theirs) {
				return "container " + nameOfSummary(c) + madeBy(c.Labels)
			}
		}
	}
	return ""
}

// madeBy says whose a container is, for the end of a sentence.
func madeBy(labels map[string]string) string {
	stack, owner := ownerOf(labels)
	if stack == "" && owner == "" {
		return ", which carries no mark of a stack or a Compose project"
	}
	return " of " + ownerText(labels)
}

// overlaps reports whether two listening addresses exclude each other. No
// address, or one of zeros, is all of them.
func overlaps(a, b netip.Addr) bool {
	return !a.IsValid() || !b.IsValid() || a.IsUnspecified() || b.IsUnspecified() || a == b
}

// holdingProcess returns the process of this host that listens on the port, as
// the kernel's tables show it; "" when none is found. Another user's process
// is found but cannot be named without root.
func holdingProcess(port uint16, proto string) string {
	inodes := map[string]bool{}
	for _, table := range []string{proto, proto + "6"} {
		for _, inode := range listening(filepath.Join("/proc/net", table), port) {
			inodes["socket:["+inode+"]"] = true
		}
	}
	if len(inodes) == 0 {
		return ""
	}
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return ""
	}
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		fds, err := os.ReadDir(filepath.Join("/proc", p.Name(), "fd"))
		if err != nil {
			continue
		}
		for _, fd := range fds {
			target, err := os.Readlink(filepath.Join("/proc", p.Name(), "fd", fd.Name()))
			if err == nil && inodes[target] {
				comm, _ := os.ReadFile(filepath.Join("/proc", p.Name(), "comm"))
				return fmt.Sprintf("process %s (pid %d)", dockerapi.OneLine(string(comm)), pid)
			}
		}
	}
	return "a process of another user"
}

// listening returns the inodes of sockets that listen on the port, from a table
// of /proc/net.
func listening(table string, port uint16) []string {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	const listen, unconnected = "0A", "07"
	var out []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != listen && fields[3] != unconnected {
			continue
		}
		_, hexPort, ok := strings.Cut(fields[1], ":")
		raw, err := hex.DecodeString(hexPort)
		if !ok || err != nil || len(raw) != 2 || uint16(raw[0])<<8|uint16(raw[1]) != port {
			continue
		}
		out = append(out, fields[9])
	}
	slices.Sort(out)
	return slices.Compact(out)
}
