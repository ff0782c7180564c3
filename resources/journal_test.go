package resources_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
)

func TestRunComesBackFromItsLabel(t *testing.T) {
	run := &resources.Run{ID: "3f9a1c20", Stack: "test", Command: "apply", Started: time.Unix(1, 0).UTC(), Result: resources.RunDone,
		Steps: []resources.RunStep{{Address: "box/a", Verb: "create", State: "done", Seconds: 1.5}}}
	text, err := run.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := resources.DecodeRun(text)
	if err != nil || !reflect.DeepEqual(back, run) {
		t.Errorf("%+v came back as %+v, %v", run, back, err)
	}
}

// A label of a few kilobytes that unfolds to more than the memory is refused.
func TestJournalEntryThatUnfoldsWithoutEndIsRefused(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(`{"id":"00000000","error":"`))
	_, _ = w.Write(bytes.Repeat([]byte("a"), 64<<20))
	_, _ = w.Write([]byte(`"}`))
	_ = w.Close()
	text := base64.RawStdEncoding.EncodeToString(b.Bytes())
	if len(text) > resources.MaxRunLabel {
		t.Fatalf("the test's label is too large: %d", len(text))
	}
	if _, err := resources.DecodeRun(text); !errors.Is(err, resources.ErrJournal) || !strings.Contains(err.Error(), "unfolds") {
		t.Errorf("error %v", err)
	}
}

func FuzzDecodeRun(f *testing.F) {
	for _, r := range []*resources.Run{{ID: "0000"}, {ID: "3f9a1c20", Steps: []resources.RunStep{{}},
		Images: map[string]resources.RunImage{"a": {}}}} {
		text, err := r.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	past, err := (&resources.Past{Specs: []string{"a"}, Files: []resources.PastFile{{Name: "a", Text: []byte("b")}}}).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(past)
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := resources.DecodeRun(text); err == nil && !resources.IsRunID(r.ID) {
			t.Errorf("run %q", r.ID)
		}
		_, _ = resources.DecodePast(text)
	})
}
