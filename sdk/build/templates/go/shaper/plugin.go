// Package plugin gives a backend with the label `canary` half its weight, rounded up, in the eyes of the balancer behind it.
package plugin

import (
	"slices"

	. "example.com/{{name}}/bindings/imports/trimtab_plugin_types"
	. "go.bytecodealliance.org/pkg/wit/types"
)

// Configure takes the settings, as JSON: they have `process` in them, which this one does not need.
func Configure(settings string, instance Instance) Result[Unit, string] {
	return Ok[Unit, string](Unit{})
}

// Shape answers the weight of each backend.
func Shape(backends []Backend) []uint32 {
	weights := make([]uint32, len(backends))
	for i, backend := range backends {
		weights[i] = backend.Weight
		if slices.ContainsFunc(backend.Labels, isCanary) {
			weights[i] = (backend.Weight + 1) / 2
		}
	}
	return weights
}

func isCanary(label Tuple2[string, string]) bool {
	return label.F0 == "canary"
}
