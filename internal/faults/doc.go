// Package faults has tests only: what the limiter does while its Redis fails in
// one way or another, on real servers, with both drivers.
//
// A fault is data: how it begins and ends, what a caller sees of it, which classes
// of errors an observer is told of, what is charged. One runner holds all of them
// to the same promises, under load; docs/failures.md is printed from them.
package faults
