package runtime

import "unsafe"

// The host asks here for the memory of strings and lists that it passes or answers.
//
//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	pointer := Allocate(&written, size, align)
	if old != nil && pointer != nil {
		copy(unsafe.Slice((*byte)(pointer), size), unsafe.Slice((*byte)(old), oldSize))
	}
	return pointer
}
