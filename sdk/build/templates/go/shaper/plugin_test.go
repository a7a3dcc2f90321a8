// Runs natively, without Wasm, with the bindings of the last build: `go test`.
package plugin

import (
	"slices"
	"testing"

	. "example.com/{{name}}/bindings/imports/trimtab_plugin_types"
	. "go.bytecodealliance.org/pkg/wit/types"
)

func backend(weight uint32, keys ...string) Backend {
	backend := Backend{Id: "b", Address: "b:80", Weight: weight, Readiness: Readiness_Ready}
	for _, key := range keys {
		backend.Labels = append(backend.Labels, Tuple2[string, string]{F0: key, F1: "yes"})
	}
	return backend
}

func TestACanaryHasHalfItsWeight(t *testing.T) {
	table := []Backend{backend(10), backend(10, "area"), backend(10, "area", "canary"), backend(5, "canary"), backend(0, "canary")}
	if weights := Shape(table); !slices.Equal(weights, []uint32{10, 10, 5, 3, 0}) {
		t.Errorf("weights are %v", weights)
	}
	if weights := Shape(nil); len(weights) != 0 {
		t.Errorf("no backends have the weights %v", weights)
	}
}
