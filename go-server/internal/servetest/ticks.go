package servetest

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Events come one by one: each has arrived before the server knows of the next.
func checkTicks(t *testing.T) {
	p := Start(t)
	began := time.Now()
	response, err := http.Get("http://" + p.Addr + "/ticks?n=3&ms=20")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-cache",
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: got %q; want %q", name, got, want)
		}
	}
	lines := bufio.NewScanner(response.Body)
	for tick := 1; tick <= 3; tick++ {
		var event strings.Builder
		for lines.Scan() && lines.Text() != "" {
			event.WriteString(lines.Text())
		}
		if got, want := event.String(), fmt.Sprintf(`data: {"tick":%d}`, tick); got != want {
			t.Errorf("event %d: got %q; want %q", tick, got, want)
		}
		if time.Since(began) < time.Duration(20*tick)*time.Millisecond {
			t.Errorf("event %d came too soon", tick)
		}
	}
	if lines.Scan() {
		t.Errorf("%q follows the last event", lines.Text())
	}
	head, err := http.Head("http://" + p.Addr + "/ticks?n=10&ms=1000")
	if err != nil {
		t.Fatal(err)
	}
	head.Body.Close()
	if head.StatusCode != http.StatusOK {
		t.Errorf("HEAD: got %d; want %d", head.StatusCode, http.StatusOK)
	}
}
