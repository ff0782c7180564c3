package rabbitmq

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/LerianStudio/midaz-infra/resources"
)

// recordedObject is what is known of an object beside its fields: what would be
// lost with it, and what its replacement would mean.
type recordedObject struct {
	Notes     []string `json:"notes,omitempty"`
	Losses    []string `json:"losses,omitempty"`
	Consumers int64    `json:"consumers,omitempty"`
	// OnChange is what the spec said of a replacement, Replacing what that would
	// have come to.
	OnChange  string               `json:"on_change,omitempty"`
	Replacing *recordedReplacement `json:"replacing,omitempty"`
}

type recordedReplacement struct {
	Losses []string       `json:"losses,omitempty"`
	Risks  []recordedRisk `json:"risks,omitempty"`
	Notes  []string       `json:"notes,omitempty"`
}

type recordedRisk struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Consent bool   `json:"consent,omitempty"`
}

// Record keeps what a person is told before the object is touched. Every kind
// that is not made of others has it from here.
func (single) Record(o *resources.Observed, bare *resources.Resource) any { return record(o, bare) }

// Replay puts it back.
func (s single) Replay(o *resources.Observed, memory []byte, now *resources.Resource) error {
	return replay(o, memory, now)
}

func record(o *resources.Observed, bare *resources.Resource) any {
	seen := nativeOf(o)
	if seen == nil {
		return nil
	}
	out := recordedObject{Notes: seen.notes, Losses: seen.losses}
	if seen.load != nil {
		out.Consumers = seen.load.consumers
	}
	if r := seen.replacing; r != nil {
		out.Replacing = &recordedReplacement{Losses: r.losses, Notes: r.notes}
		for _, risk := range r.risks {
			out.Replacing.Risks = append(out.Replacing.Risks, recordedRisk{risk.Code, risk.Msg, risk.Consent})
		}
		if bare != nil {
			out.OnChange = onChange(bare)
		}
	}
	return out
}

func replay(o *resources.Observed, memory []byte, now *resources.Resource) error {
	var was recordedObject
	if len(memory) > 0 {
		if err := json.Unmarshal(memory, &was); err != nil {
			return fmt.Errorf("memory: %w", err)
		}
	}
	seen := &object{addr: o.Addr, have: o.Have, refs: o.Refs, free: o.Free, notes: was.Notes, losses: was.Losses,
		load: &load{consumers: was.Consumers}}
	o.Notes, o.Native = was.Notes, seen
	if was.Replacing == nil || now == nil {
		return nil
	}
	r := &replacement{losses: was.Replacing.Losses, notes: was.Replacing.Notes}
	for _, risk := range was.Replacing.Risks {
		r.risks = append(r.risks, resources.Hazard{Code: risk.Code, Msg: risk.Message, Consent: risk.Consent})
	}
	if onChange(now) != was.OnChange { // what that comes to was not asked
		r = &replacement{losses: was.Losses, notes: slices.DeleteFunc(slices.Clone(r.notes), func(n string) bool { return !isBindingNote(n) })}
		if onChange(now) == changeRefuse {
			r.losses, r.risks = nil, []resources.Hazard{refusedByOnChange()}
		}
	}
	seen.replacing = r
	for _, k := range topologies {
		if k.Table().Kind == o.Addr.Kind && compare(k, now, o).Cost() == resources.Remake {
			o.Notes = slices.Concat(was.Notes, r.notes)
		}
	}
	return nil
}
