package specs

import "io"

// Options say what to read and where values of variables come from. The zero
// Options read nothing.
type Options struct {
	// Files are the spec files, merged left to right; "-" is Stdin.
	Files []string
	Stdin io.Reader
	// Dir is the folder relative file names are resolved against ("" is the
	// current one). Positions keep the names as given.
	Dir string
	// EnvFiles are read in order, later ones win. With none, ".env" beside the
	// first spec file is read when it is there.
	EnvFiles []string
	// VarFiles are YAML files of variables, Vars "name=value" from the command
	// line; both beat EnvFiles.
	VarFiles []string
	Vars     []string
	// LookupEnv reads the environment; nil means an empty environment.
	LookupEnv func(string) (string, bool)
	// Profiles are the profiles that are on.
	Profiles []string
	// NoInterpolate leaves ${X} as written, for tools that only look at shape.
	NoInterpolate bool
}

// Variable is one entry of the spec's `variables` section and the value it
// got. Value is only to be used through interpolation; From says where the
// value came from ("default", ".env", "-var", "environment", ...), "" if unset.
type Variable struct {
	Name        string
	Type        string // string, int, number, bool, port, duration, bytes
	Description string
	Sensitive   bool
	HasDefault  bool
	Default     string
	Value       string
	From        string
	Pos         Pos
}

// Spec is what Load read: the merged, interpolated tree and what surrounds it.
type Spec struct {
	Root      Node
	Stack     string // the top-level `stack`, "" when missing
	Profiles  []string
	Variables []Variable // sorted by name
	// Dir is the absolute folder of the first spec file: relative paths inside
	// the spec start there. DirOf tells it for any position.
	Dir string

	files []source
}

// source is one file that was read, kept for snippets and ignore comments.
type source struct {
	name  string
	dir   string
	lines []string
	// silenced: line number -> directives that hold for it
	silenced map[int][]silence
}

type silence struct {
	code   string
	reason string
}
