package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/resources"
)

// stamp returns the time of change that a placed file is given. It follows from
// the content, owner and permissions, so that one look at the file's status
// tells of every edit but one that sets the time back.
func (f file) stamp() time.Time {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %o %d %d", f.SHA256, f.Mode, f.UID, f.GID))
	const from, span = 946684800, 1 << 28 // eight years from 2000 on
	return time.Unix(from+int64(binary.BigEndian.Uint32(sum[:4])%span), 0).UTC()
}

// archive returns the files as one tar, for extraction at the root.
func archive(files []file) (*bytes.Buffer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		content := resources.Text(f.Content)
		err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(f.Target, "/"), Mode: f.Mode, Uid: f.UID, Gid: f.GID,
			Size: int64(len(content)), ModTime: f.stamp(), Format: tar.FormatPAX})
		if err != nil {
			return nil, fmt.Errorf("archive of %s: %w", f.Target, err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			return nil, fmt.Errorf("archive of %s: %w", f.Target, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("archive of files: %w", err)
	}
	return &buf, nil
}

// placeFiles copies the files into a container, running or not, in one call:
// a call costs the engine about 0.1 s up to Docker 24.
func (e *Engine) placeFiles(ctx context.Context, id string, files []file) error {
	if len(files) == 0 {
		return nil
	}
	body, err := archive(files)
	if err != nil {
		return err
	}
	ctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	// CopyUIDGID stays off: 20.10 fails with it for numeric users.
	err = e.api.CopyToContainer(ctx, id, "/", body, container.CopyToContainerOptions{AllowOverwriteDirWithFile: false})
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "read-only"):
		return &resources.Diagnosis{Err: fmt.Errorf("place files: %w", err),
			Hint: "files cannot be placed in a container with `read_only: true` or below a read-only mount: mount a volume there, or leave `read_only` out"}
	case strings.Contains(err.Error(), "no space left on device"):
		return &resources.Diagnosis{Err: fmt.Errorf("place files: %w", err), Hint: diskHint(e.Host())}
	default:
		return fmt.Errorf("place files: %w", err)
	}
}

// filesHave returns what a container has of the files wanted, by target, in the
// form of the field's canonical value; a file that is not there is left out.
// Unless deep, a file whose status is as it was placed is not read.
func (e *ReadEngine) filesHave(ctx context.Context, id string, want []file, deep bool) (map[string]any, error) {
	out := map[string]any{}
	for _, f := range want {
		v, err := e.fileHave(ctx, id, f, deep)
		if err != nil {
			return nil, fmt.Errorf("file %s of container %s: %w", f.Target, shortID(id), err)
		}
		if v != nil {
			out[f.Target] = v
		}
	}
	return out, nil
}

func (e *ReadEngine) fileHave(ctx context.Context, id string, f file, deep bool) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	st, err := e.api.ContainerStatPath(ctx, id, f.Target)
	if cerrdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	content := resources.Text(f.Content)
	if !deep && st.Mode.IsRegular() && st.Size == int64(len(content)) && permBits(st.Mode) == f.Mode && st.Mtime.Unix() == f.stamp().Unix() {
		return f.value(), nil
	}
	if st.LinkTarget != "" || !st.Mode.IsRegular() {
		v := f.value()
		v["content"] = notAFile(st)
		return v, nil
	}
	return e.readFile(ctx, id, f)
}

func notAFile(st container.PathStat) string {
	if st.LinkTarget != "" {
		return "(a symbolic link to " + oneLine(st.LinkTarget) + ")"
	}
	if st.Mode.IsDir() {
		return "(a folder)"
	}
	return "(not a regular file)"
}

// permBits returns the permission bits as tar and chmod count them.
func permBits(m os.FileMode) int64 {
	bits := int64(m.Perm())
	if m&os.ModeSetuid != 0 {
		bits |= 0o4000
	}
	if m&os.ModeSetgid != 0 {
		bits |= 0o2000
	}
	if m&os.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}

// readFile reads a file's content, owner and permissions back.
func (e *ReadEngine) readFile(ctx context.Context, id string, f file) (map[string]any, error) {
	body, _, err := e.api.CopyFromContainer(ctx, id, f.Target)
	if cerrdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	r := tar.NewReader(body)
	h, err := r.Next()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	have := file{Target: f.Target, Mode: h.Mode & 0o7777, UID: h.Uid, GID: h.Gid}
	if h.Size > maxFile {
		have.Content = fmt.Sprintf("(%d bytes)", h.Size)
		return have.value(), nil
	}
	content, err := io.ReadAll(io.LimitReader(r, maxFile))
	if err != nil {
		return nil, err
	}
	have.Content = string(content)
	if _, secret := f.Content.(resources.Secret); secret {
		have.Content = resources.NewSecret(string(content))
	}
	return have.value(), nil
}
