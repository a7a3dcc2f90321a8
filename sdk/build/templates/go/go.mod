module example.com/{{name}}

go 1.24

require go.bytecodealliance.org/pkg v0.4.0

replace go.bytecodealliance.org/pkg => ./bindings/pkg
