package render

// Names of formats, as -format and -into take them.
const (
	FormatText       = "text"
	FormatJSON       = "json"
	FormatMarkdown   = "markdown"
	FormatGitHub     = "github"
	FormatGitLab     = "gitlab"
	FormatSARIF      = "sarif"
	FormatPrometheus = "prometheus"
	FormatHTML       = "html"
)

// Which command speaks which.
var (
	ValidateFormats = []string{FormatText, FormatJSON, FormatMarkdown, FormatGitHub, FormatGitLab, FormatSARIF}
	PlanFormats     = []string{FormatText, FormatJSON, FormatMarkdown, FormatGitHub, FormatGitLab, FormatSARIF, FormatHTML}
	DriftFormats    = []string{FormatText, FormatJSON, FormatMarkdown, FormatGitHub, FormatSARIF, FormatPrometheus}
	GraphFormats    = []string{"mermaid", "dot", FormatText, FormatHTML}
	TopologyFormats = []string{FormatText, "dot", "mermaid", "svg", FormatJSON}
)

// Renderings make what a command says, by format. before is the text of the
// file that is about to be replaced, "" when there is none.
type Renderings map[string]func(before string) string
