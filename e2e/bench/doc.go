//go:build e2e

// Package bench runs midaz and Compose over the same services on the same
// engine, in turns, and prints the medians and their ratios.
//
//	go test -tags e2e -run '^$' -bench . -benchtime 3x ./e2e/bench
//
// compose.sh beside this file finds a Compose or fetches one; without any, only
// midaz is measured, and beside another version than the aims are set against no
// aim is judged. The figures are printed, not judged: a busy machine is no
// broken build.
package bench
