package render

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/specs"
)

// SARIF 2.1.0 (OASIS standard, errata 01), as far as code scanning reads it.
type (
	SarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Results    []sarifResult            `json:"results"` // first, for who reads the file
		Tool       sarifTool                `json:"tool"`
		BaseIDs    map[string]sarifArtifact `json:"originalUriBaseIds"`
		Language   string                   `json:"language"`
		Newlines   []string                 `json:"newlineSequences"`
		ColumnKind string                   `json:"columnKind"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Language       string      `json:"language"`
		Version        string      `json:"version"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID            string       `json:"id"`
		Short         sarifMessage `json:"shortDescription"`
		Full          sarifMessage `json:"fullDescription"`
		Help          sarifHelp    `json:"help"`
		Configuration sarifLevel   `json:"defaultConfiguration"`
	}
	sarifHelp struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		Level        string            `json:"level"`
		Message      sarifMessage      `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Related      []sarifLocation   `json:"relatedLocations,omitempty"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		ID       int            `json:"id,omitempty"`
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Message  *sarifMessage  `json:"message,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI       string `json:"uri,omitempty"`
		URIBaseID string `json:"uriBaseId,omitempty"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine"`
		EndColumn   int `json:"endColumn"`
	}
)

// projectURL is where people find the program.
const projectURL = "https://github.com/LerianStudio/midaz-infra"

// Rules of results that are no findings about the spec.
var (
	sarifRefused = sarifRuleOf("midaz-refused", "error", "The plan is refused",
		"The plan would have to do something that protection, ownership or a limit forbids.")
	sarifDestroy = sarifRuleOf("midaz-destroy", "warning", "Something is destroyed or replaced",
		"Applying the spec removes or replaces an object, which may interrupt a service or lose data.")
	sarifDrift = sarifRuleOf("midaz-drift", "warning", "Changed outside",
		"What is there differs from what was last applied: somebody changed it by other means.")
	sarifUnread = sarifRuleOf("midaz-unknown", "warning", "Could not be read",
		"What is there could not be read, so nothing is known about whether it was changed.")
)

func sarifRuleOf(id, level, title, explain string) sarifRule {
	return sarifRule{ID: id, Short: sarifMessage{title}, Full: sarifMessage{explain}, Help: sarifHelp{explain, explain},
		Configuration: sarifLevel{level}}
}

// sarif collects results and the rules they belong to.
type sarif struct {
	rules   []sarifRule
	results []sarifResult
	seen    map[string]int
}

func (s *sarif) add(rule sarifRule, level, message string, at specs.Pos, subject string, related []specs.Related) {
	if !slices.ContainsFunc(s.rules, func(r sarifRule) bool { return r.ID == rule.ID }) {
		s.rules = append(s.rules, rule)
	}
	if s.seen == nil {
		s.seen = map[string]int{}
	}
	// The place is no part of it, so that a finding stays the same one when lines
	// are added above it.
	key := strings.Join([]string{rule.ID, filepath.ToSlash(at.File), subject, message}, "\x00")
	s.seen[key]++
	sum := sha256.Sum256([]byte(key + strings.Repeat("+", s.seen[key]-1)))
	r := sarifResult{RuleID: rule.ID, Level: level, Message: sarifMessage{message}, Locations: []sarifLocation{{Physical: physical(at)}},
		Fingerprints: map[string]string{"midaz/v1": hex.EncodeToString(sum[:16])}}
	for i, other := range related {
		r.Related = append(r.Related, sarifLocation{ID: i + 1, Physical: physical(other.Pos), Message: &sarifMessage{Clean(other.Msg)}})
	}
	s.results = append(s.results, r)
}

// dangerFirst puts what refuses, destroys or is wrong before mere warnings.
func (s *sarif) dangerFirst() {
	rank := func(r sarifResult) int {
		switch {
		case r.Level == "error":
			return 0
		case r.RuleID == sarifDestroy.ID || r.RuleID == sarifDrift.ID || r.RuleID == sarifUnread.ID:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(s.results, func(a, b sarifResult) int { return rank(a) - rank(b) })
}

func physical(at specs.Pos) *sarifPhysical {
	line, col := max(1, at.Line), max(1, at.Col)
	return &sarifPhysical{Artifact: sarifArtifact{URI: uriOf(at.File), URIBaseID: "%SRCROOT%"}, Region: sarifRegion{line, col, line, col + 1}}
}

// uriOf returns a file name as a relative reference.
func uriOf(file string) string {
	path := strings.TrimPrefix(filepath.ToSlash(file), "/")
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("/._~-", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(hex.EncodeToString([]byte{c})))
		}
	}
	return b.String()
}

func (s *sarif) Problems(problems specs.Problems) {
	for _, p := range problems.Sorted() {
		rule := sarifRuleOf("midaz", "error", "Invalid spec", "The spec cannot be read.")
		if p.Rule != nil {
			rule = sarifRuleOf(p.Rule.Code, string(p.Rule.Severity), Capital(p.Rule.Title), p.Rule.Explain)
		}
		text := Clean(p.Msg)
		if p.Hint != "" {
			text += "\n" + Clean(p.Hint)
		}
		s.add(rule, string(p.Severity()), text, p.Pos, "", p.Related)
	}
}

func (s *sarif) String() string {
	s.dangerFirst()
	slices.SortFunc(s.rules, func(a, b sarifRule) int { return strings.Compare(a.ID, b.ID) })
	if s.rules == nil {
		s.rules = []sarifRule{}
	}
	if s.results == nil {
		s.results = []sarifResult{}
	}
	return JSONText(SarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0",
		Runs: []sarifRun{{
			Tool:    sarifTool{sarifDriver{Name: "midaz", Language: "en-US", Version: report.Version, InformationURI: projectURL, Rules: s.rules}},
			BaseIDs: map[string]sarifArtifact{"%SRCROOT%": {}}, Language: "en-US", Newlines: []string{"\r\n", "\n"}, ColumnKind: "unicodeCodePoints",
			Results: s.results,
		}},
	})
}

func ValidateSARIF(problems specs.Problems) string {
	var s sarif
	s.Problems(problems)
	return s.String()
}

// PlanSARIF tells what is dangerous at the lines that ask for it.
func PlanSARIF(plan *engine.Plan, problems specs.Problems) string {
	var s sarif
	s.Problems(problems)
	root := rootOf(plan)
	for _, r := range plan.Refusals {
		s.add(sarifRefused, "error", AddrText(r.Addr)+": "+Clean(r.Msg)+"\n"+Clean(r.Hint), orRoot(r.Pos, root), r.Addr.String(), nil)
	}
	for _, c := range dangerous(plan) {
		text := headline(c)
		if c.Reason != "" {
			text += ": " + Clean(c.Reason)
		}
		for _, h := range c.Hazards {
			text += "\n" + hazardText(h)
		}
		s.add(sarifDestroy, "warning", text, orRoot(c.Pos(), root), c.Addr.String(), nil)
	}
	for c, f := range overruledSettings(plan) {
		s.add(sarifDrift, "warning", overruledText(c, f)+"\n"+Clean(f.Why), orRoot(f.Pos, root), c.Addr.String(), nil)
	}
	return s.String()
}

// rootOf is where the spec begins, zero without one.
func rootOf(plan *engine.Plan) specs.Pos {
	if plan.Declared() == nil || plan.Declared().Spec == nil {
		return specs.Pos{}
	}
	return plan.Declared().Spec.Root.Pos()
}

func orRoot(at, root specs.Pos) specs.Pos {
	if at.IsZero() {
		return root
	}
	return at
}

// DriftSARIF tells what was changed outside at the lines that no longer hold.
func DriftSARIF(d engine.Drift, problems specs.Problems) string {
	var s sarif
	s.Problems(problems)
	for _, c := range d.Changed {
		for _, f := range c.Delta {
			for _, r := range diffRows(f) {
				s.add(sarifDrift, "warning", AddrText(c.Addr)+" has changed outside: "+r.sign+" "+r.name+" = "+r.value, orRoot(f.Pos, c.Pos()),
					c.Addr.String(), nil)
			}
		}
	}
	for _, g := range report.ByReason(d.Unread) {
		s.add(sarifUnread, "warning", "could not be read: "+Clean(g.Names()+": "+g.Why), orRoot(g.All[0].Pos, rootOf(d.Plan)),
			g.All[0].Addr.String(), nil)
	}
	return s.String()
}
