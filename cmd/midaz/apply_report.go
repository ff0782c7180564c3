package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/engine"
)

// canReport fails before anything is done when the report cannot be written.
func (c *call) canReport() error {
	path := c.flags.String("report")
	if path == "" {
		return nil
	}
	if info, err := os.Stat(filepath.Dir(c.path(path))); err != nil {
		return fmt.Errorf("write the report: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("write the report: %s is no folder", filepath.Dir(path))
	}
	return nil
}

// writeReport writes what -report asks for, however the run ended. The run is
// not the worse for a report that cannot be written.
func (a *applying) writeReport(err error) {
	path := a.flags.String("report")
	if path == "" {
		return
	}
	run, reports := a.newRun(a.declared.Stack), []*engine.Report(nil)
	if a.record != nil {
		run, reports = a.record.run, a.record.reports
	} else {
		run.ID, run.Started = "", a.began.UTC()
		a.conclude(run, err)
	}
	var facts []render.PageFact
	if id := a.traces.id(); id != "" {
		facts = append(facts, render.PageFact{Name: "Trace", Value: id})
	}
	if err := a.keep(a.path(path), render.RunHTML(run, reports, a.sys.redactor, facts)); err != nil {
		a.remark("Warning: the report could not be written: " + render.ErrorLine(err, a.sys.redactor))
	}
}
