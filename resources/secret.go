package resources

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// Masked is what every output shows in place of a secret.
const Masked = "(sensitive value)"

// Secret is a text that no output shows. The zero Secret is the empty text.
//
// It holds a pointer on purpose: fmt cannot call methods on unexported fields,
// and prints the text of a struct{ s string } it finds there, but only the
// address of a pointer.
type Secret struct{ v *string }

// NewSecret returns a Secret holding s.
func NewSecret(s string) Secret { return Secret{&s} }

// Reveal returns the text. It is the only exit; only code that sends the text
// to the engine or the broker may call it.
func (s Secret) Reveal() string {
	if s.v == nil {
		return ""
	}
	return *s.v
}

// Equal compares in constant time for texts of equal length.
func (s Secret) Equal(t Secret) bool { return s.Is(t.Reveal()) }

// Is compares with a plain text in constant time for texts of equal length.
func (s Secret) Is(plain string) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(plain)) == 1
}

// Digest returns the hex HMAC-SHA256 of the text under key.
func (s Secret) Digest(key []byte) string {
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, s.Reveal())
	return hex.EncodeToString(mac.Sum(nil))
}

// Format writes the mask for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Masked) }

// String returns the mask.
func (s Secret) String() string { return Masked }

// GoString returns the mask.
func (s Secret) GoString() string { return Masked }

// MarshalText returns the mask.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Masked), nil }

// MarshalYAML returns the mask.
func (s Secret) MarshalYAML() (any, error) { return Masked, nil }

// LogValue returns the mask.
func (s Secret) LogValue() slog.Value { return slog.StringValue(Masked) }
