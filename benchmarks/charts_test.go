package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireXML requires a picture to be well-formed XML, and returns all its text.
func requireXML(t *testing.T, picture []byte) string {
	var text strings.Builder
	for d := xml.NewDecoder(strings.NewReader(string(picture))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return text.String()
		}
		require.NoError(t, err, string(picture))
		if data, ok := token.(xml.CharData); ok {
			text.Write(data)
		}
	}
}

func TestCharts(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "deep", "charts")
	charts, err := drawCharts(folder, testReport(t))
	require.NoError(t, err)
	require.Len(t, charts, 2)
	for _, c := range charts {
		require.True(t, strings.HasPrefix(c.link, "charts/"), c.link)
		picture, err := os.ReadFile(filepath.Join(folder, filepath.Base(c.link)))
		require.NoError(t, err)
		text := requireXML(t, picture)
		if c.title == "growth of identities" {
			require.Contains(t, text, "5,000,000")
			continue
		}
		for _, part := range []string{"ratelimit on go-redis", "105,000", "go-limiter in memory (not distributed)", "24.9 % errors"} {
			require.Contains(t, text, part)
		}
		require.NotContains(t, text, "pipelines", "which was not measured")
	}

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = drawCharts(file, testReport(t))
	require.ErrorContains(t, err, "-charts is")
}

func TestSVGEscapes(t *testing.T) {
	text := requireXML(t, drawBars(`<a> & "b"`, []bar{{label: "</svg>", text: "]]>"}, {label: "none"}}).bytes())
	for _, part := range []string{`<a> & "b"`, "</svg>", "]]>"} {
		require.Contains(t, text, part)
	}
	requireXML(t, drawLine("<", ">", nil).bytes())
	requireXML(t, drawLine("<", ">", []dot{{label: "&"}}).bytes())
}
