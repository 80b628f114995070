package ratelimit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
)

// TestErrorClasses: each class that there is.
func TestErrorClasses(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "failure.go", nil, 0)
	require.NoError(t, err)
	var declared []ratelimit.ErrorClass
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "ErrorClass" {
			for _, value := range spec.Values {
				class, err := strconv.Unquote(value.(*ast.BasicLit).Value)
				require.NoError(t, err)
				declared = append(declared, ratelimit.ErrorClass(class))
			}
		}
		return true
	})
	require.Contains(t, declared, ratelimit.ClassTimeout)
	require.Equal(t, declared, ratelimit.ErrorClasses())
}
