package rabbitmq

import (
	"crypto/md5" //nolint:gosec // one of the broker's own algorithms
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// passwordHash is what the broker keeps of a password: base64 of a salt of four
// bytes and of hash(salt, password), a single round.
type passwordHash struct {
	text      string // "" for a user without a password
	algorithm string // sha256, sha512 or md5
}

const (
	saltSize        = 4
	algorithmPrefix = "rabbit_password_hashing_"
)

var algorithms = map[string]func([]byte) []byte{
	"sha256": func(b []byte) []byte { h := sha256.Sum256(b); return h[:] },
	"sha512": func(b []byte) []byte { h := sha512.Sum512(b); return h[:] },
	"md5":    func(b []byte) []byte { h := md5.Sum(b); return h[:] }, //nolint:gosec // see above
}

// shortAlgorithm returns sha256 for rabbit_password_hashing_sha256.
func shortAlgorithm(name string) string { return strings.TrimPrefix(name, algorithmPrefix) }

func longAlgorithm(name string) string { return algorithmPrefix + name }

// newHash hashes a password under a fresh salt.
func newHash(password, algorithm string) passwordHash {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails: crypto/rand aborts the program
	digest := algorithms[algorithm](append(salt[:saltSize:saltSize], password...))
	return passwordHash{text: base64.StdEncoding.EncodeToString(append(salt, digest...)), algorithm: algorithm}
}

// matches reports whether the password is the one that was hashed.
func (h passwordHash) matches(password string) bool {
	sum := algorithms[h.algorithm]
	raw, err := base64.StdEncoding.DecodeString(h.text)
	if sum == nil || err != nil || len(raw) <= saltSize {
		return false
	}
	digest := sum(append(raw[:saltSize:saltSize], password...))
	return subtle.ConstantTimeCompare(digest, raw[saltSize:]) == 1
}

// check reports whether the text can be a hash of the algorithm. The broker
// takes anything and refuses the login later.
func (h passwordHash) check() error {
	if h.text == "" {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(h.text)
	if err != nil {
		return errors.New("it is not base64")
	}
	if want := saltSize + len(algorithms[h.algorithm](nil)); len(raw) != want {
		return fmt.Errorf("it has %d bytes, and a salted %s has %d", len(raw), h.algorithm, want)
	}
	return nil
}
