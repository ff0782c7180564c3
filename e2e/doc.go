//go:build e2e

// Package e2e proves midaz on a real engine. It uses the midaz binary, the
// Docker API and the protocols of the services; nothing of midaz's own code.
//
//	go test -tags e2e ./e2e/...
//
// Rules of its scenarios:
//
//   - One scenario has one obligation, and its name says it: "X must Y".
//   - State is checked first: the engine, the broker, the database. What midaz
//     prints is checked where the text itself is the promise.
//   - A precondition that does not hold fails the scenario; nothing passes
//     because there was nothing to look at.
//   - Nobody sleeps. What takes time is waited for by eventually, by an event of
//     the engine or by a call that a proxy sees.
//   - Each scenario has its own stack, named after it, its own ports, and leaves
//     nothing behind, also when it fails. MIDAZ_E2E_KEEP=1 keeps everything.
//   - A scenario that fails leaves a folder under .cache/e2e: the spec, every
//     command with its output, the engine's calls, the containers and their logs.
//   - Without an engine everything is skipped, with the reason.
//
// MIDAZ_BIN names a binary to test instead of one built from here. MIDAZ_E2E_SHORT=1
// leaves out the scenarios with the whole Midaz stack.
package e2e
