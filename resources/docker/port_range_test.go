package docker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"pgregory.net/rapid"

	"github.com/LerianStudio/midaz-infra/resources"
)

func TestPortsStayRanges(t *testing.T) {
	for name, tc := range map[string]struct {
		ports string
		want  map[string]any
	}{
		"range":                     {`["1000-65000:1000-65000"]`, map[string]any{"1000-65000/tcp": []any{"1000-65000"}}},
		"range with another offset": {`["127.0.0.1:5000-5009:80-89/udp"]`, map[string]any{"80-89/udp": []any{"127.0.0.1:5000-5009"}}},
		"range of IPv6":             {`["[::1]:5000-5009:80-89"]`, map[string]any{"80-89/tcp": []any{"[::1]:5000-5009"}}},
		"range, host ports chosen":  {`["80-89"]`, map[string]any{"80-89/tcp": []any{"0"}}},
		"written one by one":        {`["80:80", "82:82", "81:81"]`, map[string]any{"80-82/tcp": []any{"80-82"}}},
		"pair":                      {`["5671:5671", "5672:5672"]`, map[string]any{"5671/tcp": []any{"5671"}, "5672/tcp": []any{"5672"}}},
		"one published elsewhere":   {`["80-82:80-82", "90:83"]`, map[string]any{"80-82/tcp": []any{"80-82"}, "83/tcp": []any{"90"}}},
		"one port, any of a range":  {`["3000-3010:80"]`, map[string]any{"80/tcp": []any{"3000-3010"}}},
		"three, each any of a range": {`["3000-3010:80", "3000-3010:81", "3000-3010:82"]`,
			map[string]any{"80/tcp": []any{"3000-3010"}, "81/tcp": []any{"3000-3010"}, "82/tcp": []any{"3000-3010"}}},
		"range at two places": {`["127.0.0.1:80-89:80-89", "[::1]:80-89:80-89"]`,
			map[string]any{"80-89/tcp": []any{"127.0.0.1:80-89", "[::1]:80-89"}}},
	} {
		t.Run(name, func(t *testing.T) {
			r, ps := one(t, "service", "image: app:1\nports: "+tc.ports)
			if got := r.Config.Map("ports"); !resources.Equal(got, tc.want) {
				t.Errorf("%v, want %v\n%v", got, tc.want, ps)
			}
		})
	}
}

func TestExposeStaysRange(t *testing.T) {
	r, _ := one(t, "service", `{image: "app:1", expose: ["1-65535", "53/udp"]}`)
	if got, want := r.Config["expose"], []any{"1-65535/tcp", "53/udp"}; !resources.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// However ports were written and joined, they are the same ports afterward, and
// joined once more they are the same text.
func TestJoinedPortsAreTheSamePorts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ports := map[string][]string{}
		for range rapid.IntRange(0, 30).Draw(t, "ports") {
			port, proto := rapid.IntRange(1, 20).Draw(t, "port"), rapid.SampledFrom([]string{"tcp", "udp"}).Draw(t, "proto")
			host := rapid.SampledFrom([]string{"0", strconv.Itoa(port), strconv.Itoa(port + 5), "3000-3010"}).Draw(t, "host")
			ip := rapid.SampledFrom([]string{"", "127.0.0.1", "::1"}).Draw(t, "ip")
			key := fmt.Sprintf("%d/%s", port, proto)
			ports[key] = resources.Texts(setOf(append(ports[key], joinPlace(ip, host))))
		}
		joined := joinPorts(ports)
		split := splitPorts(joined)
		for _, places := range split {
			slices.Sort(places)
		}
		if !maps.EqualFunc(split, ports, slices.Equal[[]string]) {
			t.Fatalf("%v became %v and then %v", ports, joined, split)
		}
		if again := joinPorts(split); !resources.Equal(again, joined) {
			t.Fatalf("%v, then %v", joined, again)
		}
	})
}

// The engine is asked for each port of a range, and what it then shows is the
// range again.
func TestRangeReachesEngineAndComesBack(t *testing.T) {
	r, _ := one(t, "service", `{image: "app:1", ports: ["127.0.0.1:5000-5999:1000-1999"], expose: ["80-89"]}`)
	d := &draft{config: &container.Config{}, host: &container.HostConfig{}}
	sendPorts(d, r.Config["ports"])
	if got := d.host.PortBindings["1999/tcp"]; len(d.host.PortBindings) != 1000 || len(d.config.ExposedPorts) != 1000 || len(got) != 1 ||
		got[0].HostPort != "5999" || got[0].HostIP != "127.0.0.1" {
		t.Fatalf("%d ports, the last one %v", len(d.host.PortBindings), got)
	}
	s := &sight{c: &container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{HostConfig: d.host}}}
	if got := seenPorts(s); !resources.Equal(got, r.Config["ports"]) {
		t.Errorf("seen %v, want %v", got, r.Config["ports"])
	}
}

// What an earlier version recorded port by port reads like what is recorded now.
func TestRecordedPortsOfEarlierVersion(t *testing.T) {
	old := map[string]any{}
	var exposed []any
	for p := 1000; p < 1010; p++ {
		old[strconv.Itoa(p)+"/tcp"] = []any{strconv.Itoa(p)}
		exposed = append(exposed, strconv.Itoa(p)+"/udp")
	}
	text := resources.Seal(resources.Config{"ports": old, "expose": exposed}).String()
	sealed, err := parseApplied(text)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := one(t, "service", `{image: "app:1", ports: ["1000-1009:1000-1009"], expose: ["1000-1009/udp"]}`)
	for _, field := range []string{"ports", "expose"} {
		if !sealed.Matches(field, r.Config[field]) {
			t.Errorf("%s: %v does not match %v", field, sealed.Fields[field], r.Config[field])
		}
	}
}

func TestPublishedRangeIsShownAsRange(t *testing.T) {
	r, _ := one(t, "service", `{image: "app:1", ports: ["5000-5009:1000-1009"]}`)
	clash, ps := one(t, "service", `{image: "app:1", ports: ["5000-5009:1000-1009", "5005:80"]}`)
	if len(publishedPlaces(r.Config.Map("ports"))) != 10 {
		t.Errorf("%v", publishedPlaces(r.Config.Map("ports")))
	}
	if clash == nil || !slices.Contains(codes(ps), rulePortClash.Code) || !strings.Contains(fmt.Sprint(ps), "5005/tcp") {
		t.Errorf("a port inside a range that is published twice: %v", ps)
	}
}
