package render

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// gitlabPlan is GitLab's report of the type terraform: the numbers that its
// merge requests show.
type gitlabPlan struct {
	Create int `json:"create"`
	Update int `json:"update"`
	Delete int `json:"delete"`
}

func PlanGitLab(plan *engine.Plan) string {
	var out gitlabPlan
	for _, c := range plan.Changes {
		switch c.Action {
		case resources.Create, resources.Ensure:
			out.Create++
		case resources.Update:
			out.Update++
		case resources.Delete:
			out.Delete++
		case resources.Replace:
			out.Create++
			out.Delete++
		}
	}
	return JSONText(out)
}

// gitlabIssue is one entry of GitLab's code quality report.
type gitlabIssue struct {
	Description string         `json:"description"`
	CheckName   string         `json:"check_name"`
	Fingerprint string         `json:"fingerprint"`
	Severity    string         `json:"severity"`
	Location    gitlabLocation `json:"location"`
}

type gitlabLocation struct {
	Path  string `json:"path"`
	Lines struct {
		Begin int `json:"begin"`
	} `json:"lines"`
}

// ValidateGitLab is what validate found as a code quality report.
func ValidateGitLab(problems specs.Problems) string {
	out := []gitlabIssue{}
	seen := map[string]int{}
	for _, p := range problems.Sorted() {
		issue := gitlabIssue{Description: Clean(p.Msg), CheckName: codeOf(p), Severity: map[specs.Severity]string{specs.Error: "major",
			specs.Warning: "minor"}[p.Severity()]}
		if p.Hint != "" {
			issue.Description += "; " + Clean(p.Hint)
		}
		issue.Location.Path = p.Pos.File
		issue.Location.Lines.Begin = max(1, p.Pos.Line)
		key := issue.CheckName + "\x00" + issue.Location.Path + "\x00" + issue.Description
		seen[key]++
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", key, seen[key]))
		issue.Fingerprint = hex.EncodeToString(sum[:16])
		out = append(out, issue)
	}
	return JSONText(out)
}
