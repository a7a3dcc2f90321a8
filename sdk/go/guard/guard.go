// Package guard stands around each call of the plugin: a panic is told to the host, with its stack, before it ends the
// instance; and what the host has written for the call is let go after it. Generated code does that only for calls that
// have strings or lists as parameters, which a decision has not: it would be ever slower, until it is past its deadline.
package guard

import (
	"fmt"
	"runtime/debug"

	log "{{module}}/bindings/imports/trimtab_plugin_log"
	"go.bytecodealliance.org/pkg/wit/runtime"
)

func end() {
	runtime.Unpin()
	if fault := recover(); fault != nil {
		log.Log(log.Level_Error, fmt.Sprintf("panic: %v\n%s", fault, debug.Stack()))
		panic(fault)
	}
}

// Get0 guards a function without parameters.
func Get0[R any](call func() R) func() R {
	return func() R { defer end(); return call() }
}

// Get1 guards a function of one parameter.
func Get1[A, R any](call func(A) R) func(A) R {
	return func(a A) R { defer end(); return call(a) }
}

// Get2 guards a function of two parameters.
func Get2[A, B, R any](call func(A, B) R) func(A, B) R {
	return func(a A, b B) R { defer end(); return call(a, b) }
}

// Get3 guards a function of three parameters.
func Get3[A, B, C, R any](call func(A, B, C) R) func(A, B, C) R {
	return func(a A, b B, c C) R { defer end(); return call(a, b, c) }
}

// Do1 guards a function of one parameter that answers nothing.
func Do1[A any](call func(A)) func(A) {
	return func(a A) { defer end(); call(a) }
}

// Do2 guards a function of two parameters that answers nothing.
func Do2[A, B any](call func(A, B)) func(A, B) {
	return func(a A, b B) { defer end(); call(a, b) }
}
