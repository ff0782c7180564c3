package main

// Names of formats, as -format and -into take them.
const (
	formatText       = "text"
	formatJSON       = "json"
	formatMarkdown   = "markdown"
	formatGitHub     = "github"
	formatGitLab     = "gitlab"
	formatSARIF      = "sarif"
	formatPrometheus = "prometheus"
	formatHTML       = "html"
)

// Which command speaks which.
var (
	validateFormats = []string{formatText, formatJSON, formatMarkdown, formatGitHub, formatGitLab, formatSARIF}
	planFormats     = []string{formatText, formatJSON, formatMarkdown, formatGitHub, formatGitLab, formatSARIF, formatHTML}
	driftFormats    = []string{formatText, formatJSON, formatMarkdown, formatGitHub, formatSARIF, formatPrometheus}
	graphFormats    = []string{"mermaid", "dot", formatText, formatHTML}
)

// renderings make what a command says, by format. before is the text of the
// file that is about to be replaced, "" when there is none.
type renderings map[string]func(before string) string
