package main

import (
	"fmt"
	"strings"
)

// envText tells what env did, without any value.
func envText(e *envFile, dry bool, i ink) string {
	var b strings.Builder
	path := clean(e.path)
	switch {
	case e.text == "":
		fmt.Fprintf(&b, "%s: %d kept, nothing was changed.\n", path, len(e.kept))
	case dry:
		fmt.Fprintf(&b, "Would add %s to %s: %s\n", count(len(e.added), "variable"), path, strings.Join(e.added, ", "))
	default:
		fmt.Fprintf(&b, "%s: %s added, %d kept.\n", i.in(bold, path), count(len(e.added), "variable"), len(e.kept))
	}
	if len(e.needed) > 0 {
		b.WriteString(i.in(yellow, "These need a value of yours:") + "\n")
		for _, v := range e.needed {
			kind := v.Type
			if kind == "" {
				kind = "string"
			}
			fmt.Fprintf(&b, "  %s (%s) %s\n", v.Name, kind, clean(v.Description))
		}
	}
	return b.String()
}
