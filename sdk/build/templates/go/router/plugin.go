// Package plugin sends a request with the header `x-pool: NAME` to that pool, if it is one of the route's; any other to the
// route's own.
package plugin

import (
	"slices"

	request "example.com/{{name}}/bindings/imports/trimtab_plugin_request"
	. "example.com/{{name}}/bindings/imports/trimtab_plugin_router"
	. "go.bytecodealliance.org/pkg/wit/types"
)

var names []string // of the pools, by position

// Configure takes the settings, as JSON, and the names of the pools.
func Configure(settings string, instance Instance, pools []string) Result[Plan, string] {
	names = pools
	return Ok[Plan, string](Plan{})
}

// Route decides for a request.
func Route(moment Moment) Destination {
	return route(request.Header("x-pool"))
}

func route(wanted Option[string]) Destination {
	if wanted.IsSome() {
		if position := slices.Index(names, wanted.Some()); position >= 0 {
			return MakeDestinationPool(uint32(position))
		}
	}
	return MakeDestinationPass()
}
