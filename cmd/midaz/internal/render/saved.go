package render

import "fmt"

func SavedText(name string, i Ink) string {
	return fmt.Sprintf("\nSaved the plan to: %s\n\nTo perform exactly these actions, run:\n    %s\n", Clean(name),
		i.In(Bold, fmt.Sprintf("midaz apply %q", Clean(name))))
}

func NotSavedText(name string) string {
	return fmt.Sprintf("\nThe plan is refused and was not saved to %s.\n", Clean(name))
}
