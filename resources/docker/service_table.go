package docker

import (
	"slices"

	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/resources"
)

// row is one field of a service: how it is written, what it becomes in the
// create call, and how it is read back from inspect.
type row struct {
	resources.Field
	// send puts the value into the create call, in the engine's canonical form.
	// It is called only for values that are declared and not nil.
	send func(*draft, resources.Value)
	// seen reads the value back in the form it is declared in. What image or
	// engine fill in by themselves is left out, unless it is declared: then it
	// is the value. Rows without seen are not compared.
	seen func(*sight) resources.Value
	// update puts the wanted value into the engine's update call. It takes the
	// whole configuration, since some values go only together.
	update func(*container.UpdateConfig, resources.Config)
	// bare returns the part of the value that is compared and remembered on the
	// container; nil means all of it.
	bare func(resources.Value) resources.Value
}

// Rows of the kinds, in the order in which differences are shown.
var (
	serviceRows = slices.Concat(imageRows, processRows, healthRows, storageRows, networkRows, limitRows, securityRows, fileRows, orderRows,
		gateRows, serviceOnlyRows)
	jobRows = slices.Concat(imageRows, processRows, healthRows, storageRows, networkRows, limitRows, securityRows, fileRows, orderRows,
		jobGateRows, jobOnlyRows)
)

func rowsOf(kind string) []row {
	if kind == "job" {
		return jobRows
	}
	return serviceRows
}

// fieldsOf returns the fields of the rows.
func fieldsOf(rows []row) []resources.Field {
	out := make([]resources.Field, len(rows))
	for i := range rows {
		out[i] = rows[i].Field
	}
	return out
}

// bareConfig returns the declared fields that keep keeps, each in its bare
// form. Absent values are left out.
func bareConfig(r *resources.Resource, keep func(*row) bool) resources.Config {
	out := resources.Config{}
	rows := rowsOf(r.Addr.Kind)
	for i := range rows {
		row := &rows[i]
		v, ok := r.Config[row.Key]
		if !ok || v == nil || !keep(row) {
			continue
		}
		if row.bare != nil {
			v = row.bare(v)
		}
		out[row.Key] = v
	}
	return out
}
