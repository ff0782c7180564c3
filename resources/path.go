package resources

import (
	"strconv"
	"strings"
)

// PathPart is one step of a Diff's Path: a key of a map, or an index of a list.
type PathPart struct {
	Key   string // for an index its decimal digits
	Index bool
}

// SplitPath takes a path for people apart: `ports["5432/tcp"][0]` gives ports,
// 5432/tcp and the index 0. What is not well formed ends the result.
func SplitPath(path string) []PathPart {
	var out []PathPart
	for path != "" {
		switch {
		case path[0] == '.':
			path = path[1:]
		case strings.HasPrefix(path, `["`):
			quoted, err := strconv.QuotedPrefix(path[1:])
			if err != nil {
				return out
			}
			key, _ := strconv.Unquote(quoted)
			out = append(out, PathPart{Key: key})
			path = strings.TrimPrefix(path[1+len(quoted):], "]")
		case path[0] == '[':
			end := strings.IndexByte(path, ']')
			if end < 0 {
				return out
			}
			out = append(out, PathPart{Key: path[1:end], Index: true})
			path = path[end+1:]
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			out = append(out, PathPart{Key: path[:end]})
			path = path[end:]
		}
	}
	return out
}

// Pointer returns the path as a JSON pointer: `environment.PGPORT` becomes
// /environment/PGPORT.
func Pointer(path string) string {
	var b strings.Builder
	for _, p := range SplitPath(path) {
		b.WriteString("/" + strings.ReplaceAll(strings.ReplaceAll(p.Key, "~", "~0"), "/", "~1"))
	}
	return b.String()
}
