package backends

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// A slowResponse takes its time over the first event.
type slowResponse struct {
	*httptest.ResponseRecorder
	takes  time.Duration
	events []time.Time
}

func (r *slowResponse) Write(event []byte) (int, error) {
	time.Sleep(r.takes)
	r.takes = 0
	r.events = append(r.events, time.Now())
	return r.ResponseRecorder.Write(event)
}

// CONTRACT.md, 4.9: a server that is late with one event does not move those behind it.
func TestTicksBehindALateOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		w := &slowResponse{ResponseRecorder: httptest.NewRecorder(), takes: 50 * time.Millisecond}
		request := httptest.NewRequest(http.MethodGet, "/ticks?n=8&ms=10", nil)
		if err := ticks(w, request); err != nil {
			t.Fatal(err)
		}
		for i, want := range []int{60, 60, 60, 60, 60, 60, 70, 80} {
			if got := w.events[i].Sub(begun).Milliseconds(); got != int64(want) {
				t.Errorf("event %d came after %d ms, want %d", i+1, got, want)
			}
		}
	})
}
