package enginetest_test

import (
	"testing"

	"github.com/LerianStudio/midaz-infra/engine/enginetest"
)

func TestTableHasAColumnForEachEngine(t *testing.T) {
	columns := []enginetest.Column{
		{Name: "20.10", Results: []enginetest.Result{
			{Kind: "box", Field: "size", Cost: "in place", Outside: "put", Outcome: enginetest.Passed},
			{Kind: "box", Field: "door", Cost: "replace", Outcome: "from API 1.44 on"},
		}},
		{Name: "28.5", Results: []enginetest.Result{
			{Kind: "box", Field: "size", Cost: "in place", Outside: "put", Outcome: enginetest.Failed},
			{Kind: "box", Field: "door", Cost: "replace", Outside: "copy", Outcome: enginetest.Passed},
		}},
	}
	const table = `| kind | field | a change costs | changed outside | 20.10 | 28.5 |
| --- | --- | --- | --- | --- | --- |
| box | size | in place | put | ✓ | **FAILED** |
| box | door | replace | copy | (1) | ✓ |

Left out:

1. from API 1.44 on
`
	if got := enginetest.Table(columns); got != table {
		t.Errorf("got\n%s\nwant\n%s", got, table)
	}
	const summary = `| kind | 20.10 | 28.5 |
| --- | --- | --- |
| box | 1 ✓, 1 left out | 1 ✓, 1 FAILED |
`
	if got := enginetest.Summary(columns); got != summary {
		t.Errorf("got\n%s\nwant\n%s", got, summary)
	}
}
