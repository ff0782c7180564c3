package docker

import (
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
)

// TestVolumeOfSecretMountIsRecognized: in a short form of which a secret is a part,
// the name of the volume counts as one as well, and is still that of the volume.
func TestVolumeOfSecretMountIsRecognized(t *testing.T) {
	want := &resources.Resource{Config: resources.Config{"volumes": map[string]any{
		"/data/s3cr3t": map[string]any{"type": "volume", "source": resources.NewSecret("data"), "name": resources.NewSecret("shop_data"),
			"target": resources.NewSecret("/data/s3cr3t")},
	}}}
	if got := (&sight{want: want}).volumeKey("/data/s3cr3t", "shop_data"); !resources.Equal(got, "data") {
		t.Errorf("the volume mounted there is %v, want that of the spec", resources.Text(got))
	}
}
