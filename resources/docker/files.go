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
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
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
// a call costs the engine about 0.1 s up to Docker 24. Their status is read back.
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
		return e.placed(ctx, id, files)
	case strings.Contains(err.Error(), "read-only"):
		return &resources.Diagnosis{Err: fmt.Errorf("place files: %w", err),
			Hint: "files cannot be placed in a container with `read_only: true` or below a read-only mount: mount a volume there, or leave " +
				"`read_only` out"}
	case strings.Contains(err.Error(), "no space left on device"):
		return &resources.Diagnosis{Err: fmt.Errorf("place files: %w", err), Hint: diskHint(e.Host())}
	default:
		return fmt.Errorf("place files: %w", err)
	}
}

// placed returns an error for files that were placed and are not as they were
// meant.
func (e *Engine) placed(ctx context.Context, id string, files []file) error {
	have, err := e.filesHave(ctx, id, files, false)
	if err != nil {
		return fmt.Errorf("look at the files placed: %w", err)
	}
	var missing []string
	for _, f := range files {
		if !resources.Equal(have[f.Target], f.value()) {
			missing = append(missing, f.Target)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("place files: the engine reports success, and these are not as they were placed: %s", strings.Join(missing, ", "))
	}
	return nil
}

// filesHave returns what a container has of the files wanted, by target, in the
// form of the field's canonical value; a file that is not there is left out.
// Unless deep, a file whose status is as it was placed is not read: that costs a
// call of milliseconds where reading costs 0.1 s up to Docker 24, and misses a
// change of the owner and an edit that sets the time back.
func (e *ReadEngine) filesHave(ctx context.Context, id string, want []file, deep bool) (map[string]any, error) {
	out := map[string]any{}
	known := map[string]bool{}
	if deep {
		for _, folder := range sharedFolders(want) {
			e.readFolder(ctx, id, folder, want, out, known)
		}
	}
	for _, f := range want {
		if known[f.Target] {
			continue
		}
		v, err := e.fileHave(ctx, id, f, deep)
		if why := inTheWay(err); why != "" {
			v, err = f.instead(why), nil
		}
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
	if deep {
		return e.readFile(ctx, id, f)
	}
	st, err := e.api.ContainerStatPath(ctx, id, f.Target)
	switch {
	case cerrdefs.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	case st.Mode.IsRegular() && st.LinkTarget == "" && st.Size == int64(len(resources.Text(f.Content))) && permBits(st.Mode) == f.Mode &&
		st.Mtime.Unix() == f.stamp().Unix():
		return f.value(), nil
	}
	return e.readFile(ctx, id, f)
}

// instead is the value of a file in whose place something else is.
func (f file) instead(what string) map[string]any {
	v := f.value()
	v["content"] = "(" + what + ")"
	return v
}

// inTheWay returns what stands in the way of a path, so that there is no file and
// none can be placed either: "" for any other error.
func inTheWay(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "not a directory"):
		return noPath + "a folder of its path is a file"
	case containsAny(text, "too many links", "too many levels of symbolic links"):
		return noPath + "a folder of its path is a symbolic link to itself"
	case strings.Contains(text, "file name too long"):
		return noPath + "it is too long"
	}
	return ""
}

// Contents of file.instead that keep a file from being placed.
const (
	folderInstead = "a folder"
	noPath        = "not there: "
)

// isInTheWay reports whether the content seen of a file says that none can be
// placed there.
func isInTheWay(content resources.Value) bool {
	text := resources.Text(content)
	return text == "("+folderInstead+")" || strings.HasPrefix(text, "("+noPath)
}

// sharedFolders returns the folders that hold several of the files, outermost
// first and without those inside of another: one call reads them all.
func sharedFolders(files []file) []string {
	holds := map[string]int{}
	for _, f := range files {
		holds[path.Dir(f.Target)]++
	}
	var out []string
	for _, folder := range slices.Sorted(maps.Keys(holds)) {
		if folder == "/" || slices.ContainsFunc(out, func(outer string) bool { return strings.HasPrefix(folder, outer+"/") }) {
			continue
		}
		n := 0
		for at, held := range holds {
			if at == folder || strings.HasPrefix(at, folder+"/") {
				n += held
			}
		}
		if n > 1 {
			out = append(out, folder)
		}
	}
	return out
}

// readFolder reads the files wanted of one folder in one call, and notes of which
// it knows how they are. A folder may hold much that is not ours: it gives up
// where there is more of that than is worth a call, and what is not known then is
// read file by file.
func (e *ReadEngine) readFolder(ctx context.Context, id, folder string, want []file, out map[string]any, known map[string]bool) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	body, _, err := e.api.CopyFromContainer(ctx, id, folder)
	if err != nil {
		return
	}
	defer func() { _ = body.Close() }()
	wanted := map[string]file{}
	for _, f := range want {
		if strings.HasPrefix(f.Target, folder+"/") {
			wanted[f.Target] = f
		}
	}
	const foreignEntries, foreignBytes = 200, 8 << 20
	entries, size := 0, int64(0)
	r := tar.NewReader(body)
	for first := true; ; first = false {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF) && !first:
			for target := range wanted { // it was read to its end
				known[target] = true
			}
			return
		case err != nil, first && h.Typeflag != tar.TypeDir:
			return
		}
		at := path.Join(path.Dir(folder), h.Name)
		f, ok := wanted[at]
		switch {
		case !ok:
			if entries, size = entries+1, size+h.Size; entries > foreignEntries || size > foreignBytes {
				return
			}
		case h.Typeflag == tar.TypeLink: // its content stands at another name
			delete(wanted, at)
		default:
			v, err := f.read(h, r)
			if err != nil {
				return
			}
			out[at], known[at] = v, true
		}
	}
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

// readFile reads a file's content, owner and permissions back, nil when it is not
// there.
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
	return f.read(h, r)
}

// read returns the value of what stands at the file's place in an archive.
func (f file) read(h *tar.Header, content io.Reader) (map[string]any, error) {
	switch h.Typeflag {
	case tar.TypeReg:
	case tar.TypeSymlink:
		return f.instead("a symbolic link to " + dockerapi.OneLine(h.Linkname)), nil
	case tar.TypeDir:
		return f.instead(folderInstead), nil
	default:
		return f.instead("not a regular file"), nil
	}
	have := file{Target: f.Target, Mode: h.Mode & 0o7777, UID: h.Uid, GID: h.Gid}
	if h.Size > maxFile {
		have.Content = fmt.Sprintf("(%d bytes)", h.Size)
		return have.value(), nil
	}
	text, err := io.ReadAll(io.LimitReader(content, maxFile))
	if err != nil {
		return nil, err
	}
	have.Content = string(text)
	if _, secret := f.Content.(resources.Secret); secret {
		have.Content = resources.NewSecret(string(text))
	}
	return have.value(), nil
}
