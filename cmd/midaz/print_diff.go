package main

import "fmt"

// comparedText says on standard error what was compared.
func comparedText(was, is, wasStack, isStack string, i ink) string {
	text := fmt.Sprintf("Compared %s with %s. No engine and no broker was asked.", clean(was), clean(is))
	if wasStack != isStack {
		text += fmt.Sprintf(" They are different stacks, %q and %q: nothing of the first is the second's.", clean(wasStack), clean(isStack))
	}
	return i.in(dim, text) + "\n"
}
