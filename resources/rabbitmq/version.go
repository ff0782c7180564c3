package rabbitmq

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
)

// release is a version of RabbitMQ as a number: 403 is 4.3. 0 is one that is not
// known.
type release int

func releaseOf(version string) release {
	major, minor := majorMinor(version)
	return release(100*major + minor)
}

func (v release) String() string { return fmt.Sprintf("RabbitMQ %d.%d", v/100, v%100) }

// versions are those from one on, and before another; 0 is no bound. What lies
// between two measured versions that differ counts as the later one: only what
// a broker is known to refuse is refused here.
type versions struct{ from, until release }

// has reports whether the version is among them. One that is not known is.
func (r versions) has(v release) bool {
	return v == 0 || v >= r.from && (r.until == 0 || v < r.until)
}

var (
	until310 = versions{until: 311}
	after310 = versions{from: 311}
	before40 = versions{until: 400}
	after40  = versions{from: 401}
	before43 = versions{until: 403}
)

// refusedBy returns what the version refuses of a resource, or passes over in
// silence, though another one takes it. What all refuse is found by Check.
func refusedBy(v release, r *resources.Resource) []resources.Unfit {
	if v == 0 || r.External {
		return nil
	}
	if k, ok := kindOf(r.Addr.Kind).(versioned); ok {
		return k.refusedBy(v, r)
	}
	return nil
}

// declaredRelease is the version that the image of the broker's service names in
// its tag ("rabbitmq:4.0-management"), 0 where none does.
func declaredRelease(all *resources.Declared) release {
	brokers := all.Of(brokerName)
	if len(brokers) == 0 {
		return 0
	}
	service := all.Get(resources.NewAddr("service", brokers[0].Config.Text("service")))
	if service == nil {
		return 0
	}
	image, _, _ := strings.Cut(resources.Text(service.Config["image"]), "@")
	slash := strings.LastIndexByte(image, '/')
	name, tag, _ := strings.Cut(image[slash+1:], ":")
	major, rest, _ := strings.Cut(tag, ".")
	minor, _, _ := strings.Cut(rest, ".")
	minor, _, _ = strings.Cut(minor, "-")
	a, err := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	if !strings.Contains(name, "rabbitmq") || err != nil || err2 != nil || a < 3 {
		return 0
	}
	return release(100*a + b)
}

// checkRelease reports what the version that the spec itself names refuses.
func checkRelease(all *resources.Declared, report resources.Report) {
	v := declaredRelease(all)
	if v == 0 {
		return
	}
	for _, k := range topologies {
		for _, r := range all.Of(k.Table().Kind) {
			for _, u := range refusedBy(v, r) {
				pos := r.Pos(u.At)
				if !r.Node.At(u.At).IsAbsent() {
					pos = r.Node.KeyPos(u.At)
				}
				report(ruleRelease.At(pos, u.Msg+", which the image of the broker names", u.Hint))
			}
		}
	}
}
