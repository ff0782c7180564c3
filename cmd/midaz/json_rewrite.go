package main

// jsonRewrite is the answer of drift when it writes into the spec.
type jsonRewrite struct {
	FormatVersion string        `json:"format_version"`
	MidazVersion  string        `json:"midaz_version"`
	Stack         string        `json:"stack"`
	Files         []string      `json:"files"`
	Written       []jsonWritten `json:"written"`
	Refused       []jsonWritten `json:"refused"`
}

type jsonWritten struct {
	Address string      `json:"address"`
	Path    string      `json:"path,omitempty"`
	Reason  string      `json:"reason,omitempty"`
	Source  *jsonSource `json:"source,omitempty"`
}

func rewriteJSON(w rewritten) jsonRewrite {
	out := jsonRewrite{FormatVersion: driftFormat, MidazVersion: version, Stack: w.stack, Files: w.changed(), Written: []jsonWritten{}, Refused: []jsonWritten{}}
	if out.Files == nil {
		out.Files = []string{}
	}
	for _, n := range w.notes {
		j := jsonWritten{n.addr.String(), n.path, n.why, sourceJSON(n.pos)}
		if n.why == "" {
			out.Written = append(out.Written, j)
		} else {
			out.Refused = append(out.Refused, j)
		}
	}
	return out
}
