package render

import (
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
)

const historyFormat = "1.0"

// jsonHistory is the answer of history.
type jsonHistory struct {
	FormatVersion string    `json:"format_version"`
	Stack         string    `json:"stack"`
	Runs          []jsonRun `json:"runs"`
}

// jsonOneRun is the answer of history RUN.
type jsonOneRun struct {
	FormatVersion string `json:"format_version"`
	jsonRun
	Steps  []jsonRunStep       `json:"steps"`
	Images map[string]jsonUsed `json:"images"`
}

type jsonRun struct {
	ID       string   `json:"id"`
	Stack    string   `json:"stack"`
	Command  string   `json:"command"`
	Who      string   `json:"who"`
	Midaz    string   `json:"midaz_version"`
	Started  string   `json:"started"`
	Ended    string   `json:"ended,omitempty"`
	Seconds  *float64 `json:"elapsed_seconds,omitempty"`
	Result   string   `json:"result"`
	Error    string   `json:"error,omitempty"`
	Planned  int      `json:"planned"`
	Add      int      `json:"add"`
	Change   int      `json:"change"`
	Remove   int      `json:"remove"`
	Partial  bool     `json:"partial"`
	Rollback bool     `json:"can_roll_back"`
}

type jsonRunStep struct {
	Address string  `json:"address"`
	Step    string  `json:"step"`
	Did     string  `json:"did,omitempty"`
	State   string  `json:"state"`
	After   float64 `json:"after_seconds"`
	Seconds float64 `json:"elapsed_seconds"`
	Error   string  `json:"error,omitempty"`
	PutBack bool    `json:"rolled_back,omitempty"`
	Because string  `json:"skipped_because,omitempty"`
}

type jsonUsed struct {
	Image   string   `json:"image"`
	ID      string   `json:"id"`
	Digests []string `json:"digests,omitempty"`
}

func HistoryJSON(stack string, runs []*resources.Run) jsonHistory {
	out := jsonHistory{FormatVersion: historyFormat, Stack: stack, Runs: []jsonRun{}}
	for _, r := range runs {
		out.Runs = append(out.Runs, headJSON(r))
	}
	return out
}

func headJSON(r *resources.Run) jsonRun {
	j := jsonRun{ID: r.ID, Stack: r.Stack, Command: r.Command, Who: r.Who, Midaz: r.Version, Started: r.Started.UTC().Format(time.RFC3339Nano),
		Result: r.Result, Error: r.Error, Planned: r.Planned, Add: r.Add, Change: r.Change, Remove: r.Destroy, Partial: r.Partial,
		Rollback: r.Past != ""}
	if r.Result != resources.RunRunning && r.Result != resources.RunLost {
		took := r.Ended.Sub(r.Started).Seconds()
		j.Ended, j.Seconds = r.Ended.UTC().Format(time.RFC3339Nano), &took
	}
	return j
}

func RunJSON(r *resources.Run) jsonOneRun {
	out := jsonOneRun{FormatVersion: historyFormat, jsonRun: headJSON(r), Steps: []jsonRunStep{}, Images: map[string]jsonUsed{}}
	for _, s := range r.Steps {
		out.Steps = append(out.Steps, jsonRunStep{Address: s.Address, Step: s.Verb, Did: s.Did, State: s.State, After: s.After,
			Seconds: s.Seconds,
			Error:   s.Error, PutBack: s.PutBack, Because: s.Because})
	}
	for addr, i := range r.Images {
		out.Images[addr] = jsonUsed{Image: i.Ref, ID: i.ID, Digests: i.Digests}
	}
	return out
}
