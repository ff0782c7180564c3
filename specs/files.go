package specs

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// File is a file that a spec was made from: one of its own, or one that it
// names.
type File struct {
	// Name is relative to Spec.Dir, with slashes; "-" is standard input.
	Name string
	Mode fs.FileMode
	// Text is the content, nil when only Size and SHA256 (hex) are known.
	Text []byte
	// Fetch, when not nil, gets the content of a file of the past that has no
	// Text.
	Fetch  func() ([]byte, error)
	Size   int
	SHA256 string
	// Secret says that the content must not be kept.
	Secret bool
	// Spec says that it is a spec file.
	Spec bool
}

// maxRemembered bounds the file whose content is remembered; of a larger one
// only the digest is.
const maxRemembered = 1 << 20

var (
	errNotRegular = errors.New("is not a regular file")
	errOutside    = errors.New("lies outside of the repository, and is not read here")
)

// TooLargeError is returned for a file that is larger than it may be.
type TooLargeError struct{ Limit int }

// Error says how large it may be.
func (e *TooLargeError) Error() string { return fmt.Sprintf("is larger than %d MiB", e.Limit>>20) }

// files reads what a spec is made from and remembers it. With a past it reads
// that in place of the disk.
type files struct {
	dir  string // Spec.Dir, once it is known
	root string // Options.Root
	past map[string]File
	// missing is the error for a file that the past does not have.
	missing error

	mu   sync.Mutex
	seen map[string]File
}

func newFiles(opt Options) *files {
	f := &files{seen: map[string]File{}, root: opt.Root, missing: errors.New("is not among the files that were kept of that run")}
	if opt.PastOf != "" {
		f.missing = fmt.Errorf("is not there in %s: %w", opt.PastOf, fs.ErrNotExist)
	}
	if opt.Past == nil {
		return f
	}
	f.past = make(map[string]File, len(opt.Past))
	for _, p := range opt.Past {
		f.past[p.Name] = p
	}
	return f
}

// name returns the name of an absolute path in the memory.
func (f *files) name(full string) string {
	rel, err := filepath.Rel(f.dir, full)
	if err != nil {
		return filepath.ToSlash(full)
	}
	return filepath.ToSlash(rel)
}

func (f *files) remember(file File, text []byte) {
	sum := sha256.Sum256(text)
	file.Size, file.SHA256 = len(text), hex.EncodeToString(sum[:])
	if len(text) <= maxRemembered {
		file.Text = text
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen[file.Name] = file
}

// Files returns every file that the spec was made from so far, by name. What
// it names has been read once it is resolved.
func (s *Spec) Files() []File {
	if s.named == nil {
		return nil
	}
	s.named.mu.Lock()
	defer s.named.mu.Unlock()
	out := make([]File, 0, len(s.named.seen))
	for _, f := range s.named.seen {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Bounded reports whether nothing outside of a folder is read: see Options.Root.
func (s *Spec) Bounded() bool { return s.named != nil && s.named.root != "" }

// KeepsUnset reports whether references without a value stay as written.
func (s *Spec) KeepsUnset() bool { return s.keepUnset }

// SpecFiles returns the names of the spec's own files as Files has them, in the
// order of merging.
func (s *Spec) SpecFiles() []string { return slices.Clone(s.order) }

// ReadFile reads a regular file that the spec names by its absolute path. One
// of more than limit bytes is a TooLargeError. secret says that it must not be kept.
func (s *Spec) ReadFile(full string, limit int, secret bool) ([]byte, fs.FileMode, error) {
	if s.named == nil {
		return (&files{}).readRegular(full, limit)
	}
	name := s.named.name(full)
	text, mode, found, err := s.named.readPast(name)
	switch {
	case !found:
		text, mode, err = s.named.readRegular(full, limit)
	case err == nil && len(text) > limit:
		err = &TooLargeError{limit}
	}
	if err != nil {
		return nil, 0, err
	}
	s.named.remember(File{Name: name, Mode: mode, Secret: secret}, text)
	return text, mode, nil
}

// readPast reads from the past; found is false where the disk is to be read:
// without a past, or for a file that was not kept.
func (f *files) readPast(name string) (text []byte, mode fs.FileMode, found bool, err error) {
	if f.past == nil {
		return nil, 0, false, nil
	}
	p, ok := f.past[name]
	switch {
	case !ok:
		return nil, 0, true, f.missing
	case p.Text == nil && p.Fetch != nil:
		text, err = p.Fetch()
		return text, p.Mode, true, err
	default:
		return p.Text, p.Mode, p.Text != nil, nil
	}
}

func (f *files) readRegular(full string, limit int) ([]byte, fs.FileMode, error) {
	info, err := f.stat(full)
	if err != nil {
		return nil, 0, err
	}
	// Opening a pipe would wait for a writer, and a file of the kernel, such as
	// /proc/kmsg, looks regular and may wait for something to happen.
	if !info.Mode().IsRegular() || isKernelFile(full) {
		return nil, 0, errNotRegular
	}
	file, err := f.open(full)
	if err != nil {
		return nil, 0, err
	}
	return readOpen(file, limit)
}

// open opens a file of the disk by its absolute path. Outside of the root there
// is nothing to be opened, not even by a link that lies within.
func (f *files) open(full string) (*os.File, error) {
	if f.root == "" {
		return os.Open(full)
	}
	root, rel, err := f.within(full)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	file, err := root.Open(rel)
	if escapes(err) {
		return nil, errOutside
	}
	return file, err
}

// stat is os.Stat within the root.
func (f *files) stat(full string) (fs.FileInfo, error) {
	if f.root == "" {
		return os.Stat(full)
	}
	root, rel, err := f.within(full)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	info, err := root.Stat(rel)
	if escapes(err) {
		return nil, errOutside
	}
	return info, err
}

// within opens the root and returns the path below it.
func (f *files) within(full string) (*os.Root, string, error) {
	rel, err := filepath.Rel(f.root, full)
	if err != nil || !filepath.IsLocal(rel) {
		return nil, "", errOutside
	}
	root, err := os.OpenRoot(f.root)
	return root, rel, err
}

// readOpen reads and closes a file.
func readOpen(f *os.File, limit int) ([]byte, fs.FileMode, error) {
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() { // it may have been swapped since it was examined
		return nil, 0, errNotRegular
	}
	text, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, 0, err
	}
	if len(text) > limit {
		return nil, 0, &TooLargeError{limit}
	}
	return text, info.Mode(), nil
}

// IsFolder reports whether the absolute path that the spec names is a folder.
// The error is one of reading when there is nothing.
func (s *Spec) IsFolder(full string) (bool, error) {
	if s.named != nil && s.named.past != nil {
		name := s.named.name(full)
		if _, ok := s.named.past[name]; ok {
			return false, nil
		}
		for other := range s.named.past {
			if isBelow(other, name) {
				return true, nil
			}
		}
		return false, s.named.missing
	}
	disk := s.named
	if disk == nil {
		disk = &files{}
	}
	info, err := disk.stat(full)
	if err != nil {
		return false, err
	}
	return info.IsDir(), nil
}

func isBelow(name, folder string) bool {
	return folder == "." && name != "-" && !strings.HasPrefix(name, "../") || strings.HasPrefix(name, folder+"/")
}

// ReadFolder passes every file below a folder that the spec names to visit, in
// order of name, with its name relative to the folder. Nothing outside of the
// folder is read: a symbolic link that leads out of it is an error. visit is
// handed a function that reads the file with the limit and secrecy of
// ReadFile, and may end the walk with an error.
func (s *Spec) ReadFolder(full string, limit int, secret bool, visit func(name string, mode fs.FileMode, text []byte) error) error {
	if s.named != nil && s.named.past != nil {
		return s.readPastFolder(full, limit, secret, visit)
	}
	if s.named != nil {
		if _, err := s.named.stat(full); err != nil {
			return err
		}
	}
	if isKernelFile(full) {
		return errNotRegular
	}
	root, err := os.OpenRoot(full)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := openIn(root, filepath.FromSlash(name))
		if err != nil {
			return fmt.Errorf("holds %s, which %w", Printable(name), err)
		}
		text, mode, err := readOpen(file, limit)
		if err != nil {
			return fmt.Errorf("holds %s, which %w", Printable(name), err)
		}
		if s.named != nil {
			s.named.remember(File{Name: s.named.name(filepath.Join(full, filepath.FromSlash(name))), Mode: mode, Secret: secret}, text)
		}
		return visit(name, mode, text)
	})
}

// openIn opens a regular file within root. It looks before: opening a pipe
// would wait for its writer.
func openIn(root *os.Root, name string) (*os.File, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, outside(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, outside(err)
	}
	return f, nil
}

// outside says in our words that a link leads out of the folder.
func outside(err error) error {
	if escapes(err) {
		return errors.New("is a link that leads out of the folder")
	}
	return fmt.Errorf("cannot be read: %s", reason(err))
}

// escapes reports whether a root refused a path that leads out of it.
func escapes(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p) && strings.Contains(p.Err.Error(), "escapes")
}

func (s *Spec) readPastFolder(full string, limit int, secret bool, visit func(string, fs.FileMode, []byte) error) error {
	folder := s.named.name(full)
	var names []string
	for name := range s.named.past {
		if isBelow(name, folder) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		text, mode, err := s.ReadFile(filepath.Join(s.Dir, filepath.FromSlash(name)), limit, secret)
		if err != nil {
			return fmt.Errorf("holds %s, which %w", Printable(name), err)
		}
		if err := visit(path.Clean(strings.TrimPrefix(name, folder+"/")), mode, text); err != nil {
			return err
		}
	}
	return nil
}
