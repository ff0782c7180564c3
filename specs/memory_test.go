package specs

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Whatever a file unfolds into, refusing it takes memory in the order of the
// file's own size, not of what it would be.
func TestBombsAreRefusedWithinMemory(t *testing.T) {
	var aliases, merges strings.Builder
	aliases.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	merges.WriteString("a0: &a0 {k: v}\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&aliases, "a%d: &a%[1]d [%s]\n", i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
		fmt.Fprintf(&merges, "a%d: &a%[1]d {<<: [*a%[2]d, *a%[2]d], l: *a%[2]d, r: *a%[2]d}\n", i, i-1)
	}
	for name, c := range map[string]struct {
		text string
		most uint64 // MiB allocated in all
	}{
		"aliases of aliases": {aliases.String(), 64},
		"merges of merges":   {merges.String(), 64},
		"deep in flow":       {strings.Repeat("[", 1<<18), 64},
		"deep in blocks":     {strings.Repeat("- ", 1<<16) + "x", 64},
		"deep maps":          {strings.Repeat("{a: ", 1<<16), 64},
		"references":         {"a: \"" + strings.Repeat("${A:-", 1<<16) + strings.Repeat("}", 1<<16) + "\"", 64},
		"a large file":       {"a: " + strings.Repeat("x", maxBytes), 64},
		"many values":        {strings.Repeat("- \n", maxBytes/3), 256},
		"many keys":          {strings.Repeat("a: \n", 1<<16), 128},
		"many anchors":       {strings.Repeat("- &a\n", 1<<15), 64},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, ps := Load(Options{Dir: dir, Files: []string{"a.yaml"}})
			runtime.ReadMemStats(&after)
			used := (after.TotalAlloc - before.TotalAlloc) >> 20
			t.Logf("%d KiB of text, %d MiB allocated", len(c.text)>>10, used)
			if ps.Errors() == 0 {
				t.Error("it was taken")
			}
			if used > c.most {
				t.Errorf("%d MiB were allocated, more than %d", used, c.most)
			}
		})
	}
}
