package app

import (
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
)

// tellEnd tells how the run ended, also one in which nothing was begun.
func (a *applying) tellEnd(err error) {
	if a.record != nil {
		a.tell(report.RunEnded{Run: a.record.run, Reports: a.record.reports, Err: err})
		return
	}
	run := a.newRun(a.declared.Stack)
	run.ID, run.Started = "", a.Began.UTC()
	a.conclude(run, err)
	a.tell(report.RunEnded{Run: run, Reports: []*engine.Report(nil), Err: err})
}
