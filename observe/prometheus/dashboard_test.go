package prometheus_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// dashboard has the parts of a Grafana dashboard that the test looks at.
type dashboard struct {
	Panels []struct {
		Title, Description string
		Datasource         datasource
		GridPos            struct{ X, Y, W, H int }
		Targets            []struct {
			Expr, LegendFormat string
			Datasource         datasource
		}
	}
	Templating struct {
		List []struct {
			Name, Type string
			Query      any
			Datasource datasource
		}
	}
}

type datasource struct{ Type, UID string }

// TestDashboard checks that each query of the dashboard parses and names only metrics and
// labels that the observer has, and that the dashboard shows each metric.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("grafana/dashboard.json")
	require.NoError(t, err)
	var board dashboard
	require.NoError(t, json.Unmarshal(text, &board))

	observer, registry := watch(t)
	allow(t, newLimiter(t, startRedis(t), observer), 1)
	labels := labelsOf(t, registry)
	require.Contains(t, labels, "ratelimit_batch_size_bucket")

	variables := map[string]bool{"__rate_interval": true, "__all": true}
	for _, v := range board.Templating.List {
		variables[v.Name] = true
		if v.Type == "datasource" {
			require.Equal(t, "prometheus", v.Query)
			continue
		}
		require.Equal(t, datasource{"prometheus", "${datasource}"}, v.Datasource)
		query := v.Query.(map[string]any)["query"].(string)
		parts := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(query)
		require.NotNil(t, parts, query)
		_, _, err := check(labels, parts[1])
		require.NoError(t, err, query)
		require.Contains(t, labels[nameOf(parts[1])], parts[2])
	}
	for _, name := range []string{"datasource", "namespace", "algorithm"} {
		require.Contains(t, variables, name)
	}
	for _, match := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(string(text), -1) {
		require.Contains(t, variables, match[1])
	}

	shown := map[string]bool{}
	for _, panel := range board.Panels {
		require.NotEmpty(t, panel.Title)
		require.NotEmpty(t, panel.Description, panel.Title)
		require.NotEmpty(t, panel.Targets, panel.Title)
		require.Equal(t, datasource{"prometheus", "${datasource}"}, panel.Datasource, panel.Title)
		require.LessOrEqual(t, panel.GridPos.X+panel.GridPos.W, 24, panel.Title)
		for _, target := range panel.Targets {
			require.Equal(t, panel.Datasource, target.Datasource, panel.Title)
			metrics, grouped, err := check(labels, target.Expr)
			require.NoError(t, err, "%s: %s", panel.Title, target.Expr)
			for _, metric := range metrics {
				shown[metric] = true
			}
			for _, match := range regexp.MustCompile(`{{(\w*)}}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				require.Contains(t, grouped, match[1], "%s: legend of %s", panel.Title, target.Expr)
			}
		}
	}
	for name := range gather(t, registry) {
		require.True(t, shown[name] || shown[name+"_bucket"], "no panel shows %s", name)
	}
}

// check checks a query. It returns the metrics that the query names, and the labels that
// its result has.
func check(labels map[string][]string, query string) (metrics, grouped []string, err error) {
	e, err := metricsql.Parse(strings.ReplaceAll(query, "$__rate_interval", "5m"))
	if err != nil {
		return nil, nil, err
	}
	fail := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	metricsql.VisitAll(e, func(e metricsql.Expr) {
		switch e := e.(type) {
		case *metricsql.MetricExpr:
			name := ""
			for _, filter := range slices.Concat(e.LabelFilterss...) {
				if filter.Label == "__name__" {
					name = filter.Value
				} else if !slices.Contains(labels[name], filter.Label) {
					fail("%s has no label %s", name, filter.Label)
				}
			}
			if labels[name] == nil {
				fail("there is no %q", name)
			}
			metrics = append(metrics, name)
		case *metricsql.AggrFuncExpr:
			if e.Name != "sum" || e.Modifier.Op != "" && e.Modifier.Op != "by" {
				fail("%s %s: not known here", e.Name, e.Modifier.Op)
			}
			grouped = append(grouped, e.Modifier.Args...)
		case *metricsql.FuncExpr:
			if !slices.Contains([]string{"rate", "increase", "histogram_quantile"}, e.Name) {
				fail("%s: not known here", e.Name)
			}
		case *metricsql.NumberExpr, *metricsql.DurationExpr, *metricsql.RollupExpr, *metricsql.BinaryOpExpr, *metricsql.ModifierExpr:
		default:
			fail("%T: not known here", e)
		}
	})
	for _, label := range grouped {
		for _, metric := range metrics {
			if !slices.Contains(labels[metric], label) {
				fail("by %s, which %s has not", label, metric)
			}
		}
	}
	return metrics, slices.DeleteFunc(grouped, func(label string) bool { return label == "le" }), err
}

// nameOf returns the name of a selector's metric.
func nameOf(selector string) string {
	name, _, _ := strings.Cut(selector, "{")
	return name
}

// labelsOf returns the labels of each metric, by the names under which Prometheus stores
// it.
func labelsOf(t *testing.T, g prometheus.Gatherer) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for name, family := range gather(t, g) {
		var labels []string
		for _, label := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, label.GetName())
		}
		if family.GetMetric()[0].GetHistogram() == nil {
			all[name] = labels
			continue
		}
		all[name+"_sum"], all[name+"_count"] = labels, labels
		all[name+"_bucket"] = append(slices.Clone(labels), "le")
	}
	return all
}

// TestCheckRejects checks that check finds the mistakes that a query can have.
func TestCheckRejects(t *testing.T) {
	observer, registry := watch(t)
	newLimiter(t, broken{}, observer)
	labels := labelsOf(t, registry)
	for query, want := range map[string]string{
		`sum(rate(ratelimit_decisions_total[5m])`:          "parse",
		`ratelimit_decisions`:                              `no "ratelimit_decisions"`,
		`ratelimit_decisions_total{result="allowed"}`:      "no label result",
		`sum by (class) (ratelimit_decisions_total)`:       "by class",
		`sum by (le) (rate(ratelimit_batch_size_sum[5m]))`: "by le",
		`rollup(ratelimit_decisions_total)`:                "rollup",
		`max(ratelimit_decisions_total)`:                   "max",
	} {
		_, _, err := check(labels, query)
		require.ErrorContains(t, err, want)
	}
}
