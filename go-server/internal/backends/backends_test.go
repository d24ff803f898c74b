package backends

import (
	"slices"
	"strings"
	"testing"
)

func TestDistinctIDs(t *testing.T) {
	// mix(0) is 0 and mix(1) is 2,654,435,761: ids 1 and 5,762.
	if ids := distinctIDs(2, 0); !slices.Equal(ids, []uint32{1, 5762}) {
		t.Errorf("the first ids are %v", ids)
	}
	// All rows are taken in the end: who finds none goes on to the next, and from the last to the
	// first.
	ids := distinctIDs(worldRows, 7)
	slices.Sort(ids)
	for i, id := range ids {
		if id != uint32(i)+1 {
			t.Fatalf("id %d is in place %d", id, i)
		}
	}
}

// The example of CONTRACT.md.
func TestNewChunk(t *testing.T) {
	chunk := string(newChunk(7))
	if len(chunk) != chunkBytes || !strings.HasPrefix(chunk, "XTETIN7x5HzPqAqu") {
		t.Errorf("%d bytes, which begin with %.16s", len(chunk), chunk)
	}
}

func TestFortunesPage(t *testing.T) {
	page := fortunesPage([]Fortune{{3, "B"}, {2, `b<&>"'`}})
	rows := "<tr><td>0</td><td>Additional fortune added at request time.</td></tr>" +
		"<tr><td>3</td><td>B</td></tr>" +
		"<tr><td>2</td><td>b&lt;&amp;&gt;&quot;&#39;</td></tr></table></body></html>"
	if !strings.HasPrefix(page, "<!DOCTYPE html><html><head>") || !strings.HasSuffix(page, rows) {
		t.Errorf("the page is %s", page)
	}
}
