package render

import "fmt"

const SavedUnknownText = "What could not be looked at when the plan was made was made or changed as far as the plan goes; `midaz plan` tells whether more is left."

const SavedOutdatedText = "What lives in something that was replaced was not looked at again; `midaz plan` tells whether all of it is still there."

func SavedText(name string, i Ink) string {
	return fmt.Sprintf("\nSaved the plan to: %s\n\nTo perform exactly these actions, run:\n    %s\n", Clean(name), i.In(Bold, fmt.Sprintf("midaz apply %q", Clean(name))))
}

func NotSavedText(name string) string {
	return fmt.Sprintf("\nThe plan is refused and was not saved to %s.\n", Clean(name))
}
