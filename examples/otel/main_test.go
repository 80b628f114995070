package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/examples/internal/servetest"
)

func TestOtel(t *testing.T) {
	text := telemetryOf(t, func(url string) {
		for _, want := range []int{http.StatusOK, http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
			w, _ := servetest.Do(t, http.MethodGet, url+"/")
			require.Equal(t, want, w.StatusCode)
		}
	})
	require.NotContains(t, text, "127.0.0.1")

	type attributes []struct {
		Key   string
		Value struct{ Value any }
	}
	spans, outcomes, decisions := map[string]string{}, map[string]int{}, map[string]int{}
	parents := []string{}
	for decoder := json.NewDecoder(strings.NewReader(text)); ; {
		var object struct {
			Name                string
			SpanContext, Parent struct{ SpanID string }
			Attributes          attributes
			ScopeMetrics        []struct {
				Metrics []struct {
					Name string
					Data struct {
						DataPoints []struct {
							Attributes attributes
							Value      int
						}
					}
				}
			}
		}
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		spans[object.SpanContext.SpanID] = object.Name
		for _, a := range object.Attributes {
			if a.Key == "rate_limiting.outcome" {
				outcomes[a.Value.Value.(string)]++
				parents = append(parents, object.Parent.SpanID)
			}
		}
		for _, scope := range object.ScopeMetrics {
			for _, m := range scope.Metrics {
				if m.Name != "rate_limiting.decisions" {
					continue
				}
				for _, point := range m.Data.DataPoints {
					for _, a := range point.Attributes {
						if a.Key == "rate_limiting.outcome" {
							decisions[a.Value.Value.(string)] = point.Value
						}
					}
				}
			}
		}
	}
	want := map[string]int{"allowed": 3, "denied": 1}
	require.Equal(t, want, outcomes, "of spans")
	require.Equal(t, want, decisions, "of metrics")
	for _, parent := range parents {
		require.Equal(t, "GET", spans[parent])
	}
}

// telemetryOf returns what the program writes while use runs and when the program ends.
func telemetryOf(t *testing.T, use func(url string)) string {
	var text bytes.Buffer
	require.True(t, t.Run("Running", func(t *testing.T) { use(servetest.Start(t, program(&text))) }))
	return text.String()
}
