// Package wit_types has the types of WIT that Go lacks: as much of the package of the same path as Trimtab's WIT needs.
package wit_types

// What Tag answers.
const (
	OptionNone = 0
	OptionSome = 1
	ResultOk   = 0
	ResultErr  = 1
)

// Unit is the value of a result that has none.
type Unit struct{}

// Tuple2 is a pair.
type Tuple2[A, B any] struct {
	F0 A
	F1 B
}

// Option is a value, or none.
type Option[T any] struct {
	some  bool
	value T
}

// None is no value.
func None[T any]() Option[T] {
	return Option[T]{}
}

// Some is this value.
func Some[T any](value T) Option[T] {
	return Option[T]{some: true, value: value}
}

// Tag is OptionNone or OptionSome.
func (o Option[T]) Tag() uint8 {
	if o.some {
		return OptionSome
	}
	return OptionNone
}

// IsSome tells whether there is a value.
func (o Option[T]) IsSome() bool {
	return o.some
}

// IsNone tells whether there is none.
func (o Option[T]) IsNone() bool {
	return !o.some
}

// Some is the value, and panics where there is none.
func (o Option[T]) Some() T {
	if !o.some {
		panic("no value")
	}
	return o.value
}

// SomeOr is the value, or the other one where there is none.
func (o Option[T]) SomeOr(other T) T {
	if o.some {
		return o.value
	}
	return other
}

// Result is what came of something, or an error.
type Result[T, E any] struct {
	failed bool
	value  T
	err    E
}

// Ok is what came of it.
func Ok[T, E any](value T) Result[T, E] {
	return Result[T, E]{value: value}
}

// Err is an error.
func Err[T, E any](err E) Result[T, E] {
	return Result[T, E]{failed: true, err: err}
}

// Tag is ResultOk or ResultErr.
func (r Result[T, E]) Tag() uint8 {
	if r.failed {
		return ResultErr
	}
	return ResultOk
}

// IsOk tells whether there is no error.
func (r Result[T, E]) IsOk() bool {
	return !r.failed
}

// IsErr tells whether there is an error.
func (r Result[T, E]) IsErr() bool {
	return r.failed
}

// Ok is what came of it, and panics where there is an error.
func (r Result[T, E]) Ok() T {
	if r.failed {
		panic("an error")
	}
	return r.value
}

// Err is the error, and panics where there is none.
func (r Result[T, E]) Err() E {
	if !r.failed {
		panic("no error")
	}
	return r.err
}
