package app

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// WriteFile puts a file in place as a whole, for its owner only: readers see the
// old text or the new one.
func WriteFile(path, text string) error { return WriteFileAs(path, text, 0o600) }

// WriteFileAs is writeFile with other permissions. They, and the text on the
// disk, are there before the file has its name.
func WriteFileAs(path, text string, mode os.FileMode) error {
	staged, err := stageFile(path, text, mode)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(staged) }()
	return os.Rename(staged, path)
}

// stageFile writes a text beside the file whose place it is to take, and returns
// the name it has until then. With an error nothing is left.
func stageFile(path, text string, mode os.FileMode) (staged string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}
