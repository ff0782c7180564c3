package rabbitmq_test

import (
	"testing"

	"github.com/LerianStudio/midaz-infra/resources/conform"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

func TestConformStatic(t *testing.T) { conform.Static(t, rabbitmq.Kinds()) }
