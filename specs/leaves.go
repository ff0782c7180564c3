package specs

// MapLeaves returns a copy of a value in which leaf has replaced everything
// that is neither a []any nor a map[string]any, at any depth. v stays as it is.
func MapLeaves(v any, leaf func(any) any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = MapLeaves(e, leaf)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = MapLeaves(e, leaf)
		}
		return out
	default:
		return leaf(v)
	}
}
