// Package doctable checks that tables in documents agree with the data that they are
// printed from. It is for tests.
package doctable

import (
	"os"
	"strings"
	"testing"
)

// Check fails the test unless table, and nothing else, stands between the lines
// "<!-- name: begin -->" and "<!-- name: end -->" of the file at path. With update it writes
// table there. A failure tells the reader to use mend, the command that does that.
func Check(t testing.TB, path, name, table string, update bool, mend string) {
	t.Helper()
	begin, end := "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), begin)
	old, after, ends := strings.Cut(rest, end)
	switch {
	case !begins || !ends:
		t.Fatalf("%s has no lines %q and %q", path, begin, end)
	case update:
		if err := os.WriteFile(path, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case old != table:
		t.Fatalf("the table in %s is not that of the tests, as %s mends. It is to be\n%s", path, mend, table)
	}
}
