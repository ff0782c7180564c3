// Package resources holds the words that engine and kinds agree on: addresses,
// values, fields, and what a kind must be able to do. It contains no algorithm
// that decides anything and touches nothing outside the process.
package resources

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// Addr names one resource: "service/postgres-primary", "queue/%2F/orders".
// Name's parts are percent-encoded as in RabbitMQ's HTTP API, so that an
// address can be pasted into a shell.
type Addr struct {
	Kind string
	Name string
}

// NewAddr encodes the parts of a name and joins them with "/".
func NewAddr(kind string, parts ...string) Addr {
	for i, p := range parts {
		parts[i] = EncodePart(p)
	}
	return Addr{Kind: kind, Name: strings.Join(parts, "/")}
}

// ImageAddr returns the address of an image reference, whose slashes stay.
func ImageAddr(ref string) Addr { return Addr{Kind: "image", Name: ref} }

// EncodePart percent-encodes one part of a name. Letters, digits and
// "-._~:@+=" stay, so that common names look as written.
func EncodePart(s string) string { return shellSafe.Replace(url.PathEscape(s)) }

// shellSafe encodes the characters that PathEscape leaves and a shell would
// interpret.
var shellSafe = strings.NewReplacer("$", "%24", "&", "%26", "(", "%28", ")", "%29", "*", "%2A", "!", "%21", "'", "%27", ";", "%3B")

// Parts returns the decoded parts of the name. A part that is not validly
// encoded is returned as it is.
func (a Addr) Parts() []string {
	parts := strings.Split(a.Name, "/")
	for i, p := range parts {
		if d, err := url.PathUnescape(p); err == nil {
			parts[i] = d
		}
	}
	return parts
}

// String returns kind/name.
func (a Addr) String() string { return a.Kind + "/" + a.Name }

// IsZero reports whether a is no address.
func (a Addr) IsZero() bool { return a == Addr{} }

// Compare orders addresses by kind, then by name.
func (a Addr) Compare(b Addr) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
}

// ParseAddr reads kind/name.
func ParseAddr(s string) (Addr, error) {
	kind, name, ok := strings.Cut(s, "/")
	if !ok || kind == "" || name == "" {
		return Addr{}, fmt.Errorf("address %q: expected kind/name, such as service/postgres", s)
	}
	return Addr{Kind: kind, Name: name}, nil
}

// Match reports whether the address matches a glob such as 'queue/%2F/*' or
// 'service/*'. A "*" at the end also crosses slashes. A malformed pattern
// matches only itself.
func (a Addr) Match(pattern string) bool {
	s := a.String()
	if s == pattern {
		return true
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok && !strings.ContainsAny(prefix, "*?[\\") {
		return strings.HasPrefix(s, prefix)
	}
	ok, err := path.Match(pattern, s)
	return err == nil && ok
}
