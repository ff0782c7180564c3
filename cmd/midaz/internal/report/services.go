package report

import (
	"time"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// ServiceView is one line of ps: a service or job declared, running, or both.
type ServiceView struct {
	ContainerView
	// Change is what apply would do to it, nil when nothing is known.
	Change *engine.Change
}

// ContainerView is one container as ps shows it.
type ContainerView struct {
	Addr     resources.Addr
	ID, Name string
	Image    string
	State    string // "running", "exited (1)"
	Health   string // "healthy", "unhealthy", "starting", "" without a check
	Ports    []string
	Created  time.Time
	Started  time.Time
	// Age is for how long it has been running, or ended, by the engine's clock.
	Age      time.Duration
	Restarts int
	// Leftover says what a killed run left it as, "" for one in its place.
	Leftover string
}

// AboutPart is one heading of info with its rows.
type AboutPart struct {
	Title string
	Rows  [][2]string
}
