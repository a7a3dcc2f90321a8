// Runs natively, without Wasm, with the bindings of the last build: `go test`. What imports answer is made up here.
package plugin

import (
	"testing"

	. "example.com/{{name}}/bindings/imports/trimtab_plugin_router"
	. "go.bytecodealliance.org/pkg/wit/types"
)

func TestTheHeaderNamesThePool(t *testing.T) {
	Configure("{}", Instance{}, []string{"web", "next"})
	for _, row := range []struct {
		header      Option[string]
		destination Destination
	}{
		{Some("web"), MakeDestinationPool(0)},
		{Some("next"), MakeDestinationPool(1)},
		{Some("other"), MakeDestinationPass()},
		{Some(""), MakeDestinationPass()},
		{None[string](), MakeDestinationPass()},
	} {
		if routed := route(row.header); routed != row.destination {
			t.Errorf("%v is routed to %v, not %v", row.header, routed, row.destination)
		}
	}
}
