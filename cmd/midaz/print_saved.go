package main

import "fmt"

const savedUnknownText = "What could not be looked at when the plan was made was made or changed as far as the plan goes; `midaz plan` tells whether more is left."

const savedOutdatedText = "What lives in something that was replaced was not looked at again; `midaz plan` tells whether all of it is still there."

func savedText(name string, i ink) string {
	return fmt.Sprintf("\nSaved the plan to: %s\n\nTo perform exactly these actions, run:\n    %s\n", clean(name), i.in(bold, fmt.Sprintf("midaz apply %q", clean(name))))
}

func notSavedText(name string) string {
	return fmt.Sprintf("\nThe plan is refused and was not saved to %s.\n", clean(name))
}
