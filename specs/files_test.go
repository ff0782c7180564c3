package specs

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Each would read, or wait for, what lies outside of the folder.
func TestFolderHoldsNothingFromOutside(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside.txt")
	if err := os.WriteFile(outside, []byte("not yours"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(at string) error{
		"absolute link": func(at string) error { return os.Symlink(outside, at) },
		"relative link": func(at string) error {
			return os.Symlink("../../../../../../../../../.."+outside, at)
		},
		"link to itself": func(at string) error { return os.Symlink("x", at) },
		"pipe":           func(at string) error { return syscall.Mkfifo(at, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := make(filepath.Join(dir, "x")); err != nil {
				t.Skip(err)
			}
			err := (&Spec{}).ReadFolder(dir, 1<<20, false, func(name string, _ fs.FileMode, text []byte) error {
				t.Errorf("%s was read: %q", name, text)
				return nil
			})
			if err == nil || !strings.HasPrefix(err.Error(), "holds x, which ") {
				t.Errorf("error %v", err)
			}
		})
	}
	// A link that stays within is followed.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "real"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(dir, "x")); err != nil {
		t.Skip(err)
	}
	var got string
	err := (&Spec{}).ReadFolder(dir, 1<<20, false, func(name string, _ fs.FileMode, text []byte) error {
		got += name + "=" + string(text) + " "
		return nil
	})
	if err != nil || got != "real=mine x=mine " {
		t.Errorf("%q, %v", got, err)
	}
}
