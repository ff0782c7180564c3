package docker

import (
	"strings"
	"testing"

	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
)

// FuzzLabels reads any texts as the labels that midaz puts on objects: anybody
// may have put others there. Nothing panics, and what is shown is one line.
func FuzzLabels(f *testing.F) {
	f.Add("midaz-lock-test", "7", "alice@host", "1:00:aa:bb:cc")
	f.Add("web.midaz-old-1", "-1", "a\x1b[2J\nb", "1::::")
	f.Add("", "99999999999999999999", "\xff", `{"key":"0","fields":{"a":{"$hmac-sha256":1}}}`)
	f.Fuzz(func(t *testing.T, name, number, who, mark string) {
		info := lockInfoOf(&volume.Volume{Name: name, CreatedAt: who, Labels: map[string]string{
			labelLock: name, labelLockID: mark, labelLockWho: who, labelLockOp: who, labelLockPID: number, labelLockMidaz: who}})
		if strings.ContainsAny(info.Who+info.Operation+info.Version, "\n\r\x1b\x00") {
			t.Errorf("shown as %+v", info)
		}
		_, _, _ = splitSwapName(name)
		if s, err := resources.ParseSealed(mark); err == nil {
			for k := range s.Fields {
				_, _ = s.Matches(k, who), s.Shape(k)
			}
		}
		_ = (&buildInputs{context: strings.Repeat("0", 64), options: strings.Repeat("0", 64)}).compare(mark)
		_, _ = resources.DecodeRun(mark)
		_ = runVolume(name, number, runEnd)
	})
}
