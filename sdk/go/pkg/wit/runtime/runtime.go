// Package runtime gives generated bindings memory that the host writes to and reads from.
//
// It stands in for the package of the same path, with as much of it as Trimtab's WIT needs, so that a plugin builds
// without a module proxy.
package runtime

import (
	"runtime"
	"unsafe"
)

// What the host has written during the call that runs.
var written runtime.Pinner

// Allocate makes room for size bytes, which stay where they are until the pinner lets go. The alignment is that of a
// word, which is the largest there is.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	if align > 8 {
		panic("no value of WIT has this alignment")
	}
	pointer := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	pinner.Pin(pointer)
	return pointer
}

// Unpin leaves what the host has written to the garbage collector: what is still in use is referred to by then.
func Unpin() {
	written.Unpin()
}
