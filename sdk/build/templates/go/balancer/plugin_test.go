// Runs natively, without Wasm, with the bindings of the last build: `go test`. What imports answer is made up here.
package plugin

import (
	"slices"
	"testing"

	. "example.com/{{name}}/bindings/imports/trimtab_plugin_types"
	. "go.bytecodealliance.org/pkg/wit/types"
)

func table() []Backend {
	backends := make([]Backend, 3)
	for i, id := range []string{"b1", "b2", "b3"} {
		backends[i] = Backend{Id: id, Address: id + ":80", Weight: 1, Readiness: Readiness_Ready}
	}
	return backends
}

func after(tried ...Index) func(Index) bool {
	return func(index Index) bool { return slices.Contains(tried, index) }
}

func TestTheHeaderNamesTheBackend(t *testing.T) {
	Update(table())
	if verdict := pick(Moment{}, Some("b2"), after()); verdict != MakeVerdictBackend(1) {
		t.Errorf("picked %v", verdict)
	}
}

func TestWhatIsNotReadyIsNotPickedNorWhatWasTried(t *testing.T) {
	Update(table())
	Adjust([]uint32{1, 1, 1}, []Readiness{Readiness_Ready, Readiness_Down, Readiness_Ready})
	for random := range uint64(9) {
		verdict := pick(Moment{Random: random, Attempt: 1}, Some("b2"), after(0))
		if verdict != MakeVerdictBackend(2) {
			t.Errorf("picked %v", verdict)
		}
	}
	if verdict := pick(Moment{Attempt: 2}, None[string](), after(0, 2)); verdict != MakeVerdictPass() {
		t.Errorf("picked %v", verdict)
	}
}
