package render

import "fmt"

// ComparedText says on standard error what was compared.
func ComparedText(was, is, wasStack, isStack string, i Ink) string {
	text := fmt.Sprintf("Compared %s with %s. No engine and no broker was asked.", Clean(was), Clean(is))
	if wasStack != isStack {
		text += fmt.Sprintf(" They are different stacks, %q and %q: nothing of the first is the second's.", Clean(wasStack), Clean(isStack))
	}
	return i.In(Dim, text) + "\n"
}
