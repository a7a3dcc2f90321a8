// Package plugin sends a request with the header `x-backend: ID` to that backend, any other to a random one.
package plugin

import (
	request "example.com/{{name}}/bindings/imports/trimtab_plugin_request"
	. "example.com/{{name}}/bindings/imports/trimtab_plugin_types"
	. "go.bytecodealliance.org/pkg/wit/types"
)

var (
	ids        []string // of all backends, by position
	candidates []Index  // those that may be picked
)

// Configure takes the settings, as JSON.
func Configure(settings string, instance Instance) Result[Plan, string] {
	return Ok[Plan, string](Plan{})
}

// Update takes a new table.
func Update(backends []Backend) {
	ids = make([]string, len(backends))
	weights, readiness := make([]uint32, len(backends)), make([]Readiness, len(backends))
	for i, backend := range backends {
		ids[i], weights[i], readiness[i] = backend.Id, backend.Weight, backend.Readiness
	}
	Adjust(weights, readiness)
}

// Adjust takes what changed of the same backends.
func Adjust(weights []uint32, readiness []Readiness) {
	candidates = candidates[:0]
	for i, weight := range weights {
		if weight > 0 && readiness[i] == Readiness_Ready {
			candidates = append(candidates, Index(i))
		}
	}
}

// Pick decides for a request.
func Pick(moment Moment) Verdict {
	return pick(moment, request.Header("x-backend"), request.Tried)
}

func pick(moment Moment, wanted Option[string], tried func(Index) bool) Verdict {
	if wanted.IsSome() {
		for _, index := range candidates {
			if ids[index] == wanted.Some() && !tried(index) {
				return MakeVerdictBackend(index)
			}
		}
	}
	for step := range candidates {
		index := candidates[(moment.Random+uint64(step))%uint64(len(candidates))]
		if !tried(index) {
			return MakeVerdictBackend(index)
		}
	}
	return MakeVerdictPass()
}
