package render

import (
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
)

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

func RewriteJSON(w report.Rewritten) jsonRewrite {
	out := jsonRewrite{FormatVersion: DriftFormat, MidazVersion: report.Version, Stack: w.Stack, Files: w.Changed(), Written: []jsonWritten{},
		Refused: []jsonWritten{}}
	if out.Files == nil {
		out.Files = []string{}
	}
	for _, n := range w.Notes {
		j := jsonWritten{n.Addr.String(), n.Path, n.Why, sourceJSON(n.Pos)}
		if n.Why == "" {
			out.Written = append(out.Written, j)
		} else {
			out.Refused = append(out.Refused, j)
		}
	}
	return out
}
