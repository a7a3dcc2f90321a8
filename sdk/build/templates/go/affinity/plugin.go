// Package plugin binds clients by the cookie `backend`: it has the id of the backend that answered, and a request with it goes
// there again.
package plugin

import (
	request "example.com/{{name}}/bindings/imports/trimtab_plugin_request"
	. "example.com/{{name}}/bindings/imports/trimtab_plugin_types"
	. "go.bytecodealliance.org/pkg/wit/types"
)

var (
	ids     []string // of all backends, by position
	isThere []bool   // whether they are not down
)

// Configure takes the settings, as JSON: they have `secret` in them, which this one does not need.
func Configure(settings string, instance Instance) Result[Plan, string] {
	return Ok[Plan, string](Plan{})
}

// Update takes a new table.
func Update(backends []Backend) {
	ids, isThere = make([]string, len(backends)), make([]bool, len(backends))
	for i, backend := range backends {
		ids[i], isThere[i] = backend.Id, backend.Readiness != Readiness_Down
	}
}

// Adjust takes what changed of the same backends.
func Adjust(weights []uint32, readiness []Readiness) {
	for i, now := range readiness {
		isThere[i] = now != Readiness_Down
	}
}

// Find answers the backend that the client is bound to.
func Find(moment Moment) Verdict {
	return find(request.Cookie("backend"), request.Tried)
}

func find(bound Option[string], tried func(Index) bool) Verdict {
	for i, id := range ids {
		if bound.IsSome() && bound.Some() == id && isThere[i] && !tried(Index(i)) {
			return MakeVerdictBackend(Index(i))
		}
	}
	return MakeVerdictPass()
}

// Bind binds the client to the backend that answered, unless it was found there.
func Bind(moment Moment, backend Index, found Option[Index]) []Tuple2[string, string] {
	if found == Some(backend) || int(backend) >= len(ids) {
		return nil
	}
	cookie := "backend=" + ids[backend] + "; Path=/; HttpOnly; SameSite=Lax"
	return []Tuple2[string, string]{{F0: "set-cookie", F1: cookie}}
}
