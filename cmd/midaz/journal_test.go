package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
	"github.com/LerianStudio/midaz-infra/specs"
)

// fakeJournal is a journal in journal.json of the current folder. It is gone
// with the world when that crashes.
type fakeJournal struct {
	w *fake.World
}

const fakeJournalFile = "journal.json"

type fakeEntries struct {
	Runs []string          // Run.Encode, latest first
	Past map[string]string // Past.Encode, by the run that wrote it
}

// fakeRunID names runs by their number.
func fakeRunID() string { return fmt.Sprintf("%04d", len(fakeJournal{}.read().Runs)+1) }

func (fakeJournal) read() fakeEntries {
	e := fakeEntries{Past: map[string]string{}}
	text, err := os.ReadFile(fakeJournalFile)
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		panic(err)
	}
	return e
}

func (j fakeJournal) change(do func(e *fakeEntries)) error {
	if j.w.Crashed() {
		return fake.ErrCrashed
	}
	if os.Getenv("JOURNAL_FAILS") != "" {
		return errors.New("no space left on device")
	}
	e := j.read()
	do(&e)
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return os.WriteFile(fakeJournalFile, text, 0o600)
}

func (j fakeJournal) Runs(context.Context, string) ([]*resources.Run, error) {
	var out []*resources.Run
	for _, text := range j.read().Runs {
		r, err := resources.DecodeRun(text)
		if err != nil {
			return nil, err
		}
		if r.Result == resources.RunRunning {
			r.Result = resources.RunLost
		}
		out = append(out, r)
	}
	return out, nil
}

func (j fakeJournal) Past(_ context.Context, run *resources.Run) (*resources.Past, error) {
	text, ok := j.read().Past[run.Past]
	if !ok {
		return nil, nil
	}
	return resources.DecodePast(text)
}

func (fakeJournal) Images(context.Context, *resources.Declared) map[string]resources.RunImage {
	return nil
}

func (fakeJournal) Pin(_ context.Context, root specs.Node, _ *resources.Run) (specs.Node, []string, error) {
	return root, nil, nil
}

func (j fakeJournal) BeginRun(_ context.Context, run *resources.Run) error {
	text, err := run.Encode()
	return errors.Join(err, j.change(func(e *fakeEntries) { e.Runs = slices.Insert(e.Runs, 0, text) }))
}

func (j fakeJournal) EndRun(_ context.Context, run *resources.Run) error {
	text, err := run.Encode()
	return errors.Join(err, j.change(func(e *fakeEntries) {
		for i, old := range e.Runs {
			if r, err := resources.DecodeRun(old); err == nil && r.ID == run.ID {
				e.Runs[i] = text
			}
		}
	}))
}

func (j fakeJournal) KeepPast(_ context.Context, run *resources.Run, past *resources.Past) error {
	text, err := past.Encode()
	return errors.Join(err, j.change(func(e *fakeEntries) { e.Past[run.ID] = text }))
}

func (j fakeJournal) KeepRuns(context.Context, string, int) error { return nil }

func (j fakeJournal) DropRuns(context.Context, string) (int, error) {
	n := len(j.read().Runs)
	return n, j.change(func(e *fakeEntries) { *e = fakeEntries{Past: map[string]string{}} })
}
