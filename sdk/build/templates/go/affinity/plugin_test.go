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

func TestAClientComesBackWhileItsBackendIsThere(t *testing.T) {
	Update(table())
	expect := func(cookie Option[string], tried func(Index) bool, expected Verdict) {
		t.Helper()
		if found := find(cookie, tried); found != expected {
			t.Errorf("found %v, not %v", found, expected)
		}
	}
	expect(None[string](), after(), MakeVerdictPass())
	expect(Some("b9"), after(), MakeVerdictPass())
	expect(Some("b2"), after(), MakeVerdictBackend(1))
	expect(Some("b2"), after(1), MakeVerdictPass())
	Adjust([]uint32{1, 1, 1}, []Readiness{Readiness_Down, Readiness_Draining, Readiness_Ready})
	expect(Some("b2"), after(), MakeVerdictBackend(1))
	expect(Some("b1"), after(), MakeVerdictPass())
}

func TestAResponseBindsUnlessItsRequestWasBound(t *testing.T) {
	Update(table())
	expected := Tuple2[string, string]{F0: "set-cookie", F1: "backend=b2; Path=/; HttpOnly; SameSite=Lax"}
	for _, found := range []Option[Index]{None[Index](), Some(Index(0))} {
		if set := Bind(Moment{}, 1, found); len(set) != 1 || set[0] != expected {
			t.Errorf("set %v", set)
		}
	}
	if set := Bind(Moment{}, 1, Some(Index(1))); len(set) != 0 {
		t.Errorf("set %v again", set)
	}
}
