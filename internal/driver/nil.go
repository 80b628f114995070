package driver

import "reflect"

// IsNil reports whether v is nil, or a nil pointer in an interface.
func IsNil(v any) bool {
	if v == nil {
		return true
	}
	value := reflect.ValueOf(v)
	return value.Kind() == reflect.Pointer && value.IsNil()
}
