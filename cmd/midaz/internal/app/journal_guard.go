package app

import (
	"context"

	"github.com/LerianStudio/midaz-infra/resources"
)

// GuardRecorder returns a recorder that masks what is written into the journal.
func GuardRecorder(to Recorder, redactor *resources.Redactor) Recorder {
	return guardedRecorder{to, redactor}
}

// guardedRecorder masks what is written into the journal.
type guardedRecorder struct {
	Recorder
	redactor *resources.Redactor
}

func (g guardedRecorder) BeginRun(ctx context.Context, run *resources.Run) error {
	g.mask(run)
	return g.Recorder.BeginRun(ctx, run)
}

func (g guardedRecorder) EndRun(ctx context.Context, run *resources.Run) error {
	g.mask(run)
	return g.Recorder.EndRun(ctx, run)
}

func (g guardedRecorder) mask(run *resources.Run) {
	for _, text := range []*string{&run.Command, &run.Who, &run.Error} {
		*text = g.redactor.Text(*text)
	}
	for i := range run.Steps {
		s := &run.Steps[i]
		for _, text := range []*string{&s.Address, &s.Error, &s.Because} {
			*text = g.redactor.Text(*text)
		}
	}
}
