package backends

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"duet/go-server/internal/nethttp"
)

// Limits of CONTRACT.md, 4.9. The longest stream ends within the time-out of a response.
const (
	ticksMax    = 1_000
	tickMsMax   = 1_000
	streamMsMax = 30_000
)

// A Tick is an event of GET /ticks.
type Tick struct {
	Tick uint32 `json:"tick"`
}

// addTicks adds the route to a mux.
func addTicks(mux *http.ServeMux) {
	mux.Handle("GET /ticks", nethttp.WithoutBody(ticks))
	mux.Handle("/ticks", nethttp.MethodNotAllowed("GET, HEAD"))
}

// ticks responds with n numbered events, one every ms milliseconds.
func ticks(w http.ResponseWriter, r *http.Request) error {
	n, err := nethttp.CountFromQuery(r, "n", ticksMax)
	if err != nil {
		return err
	}
	ms, err := nethttp.CountFromQuery(r, "ms", tickMsMax)
	if err != nil {
		return err
	}
	if n*ms > streamMsMax {
		return errors.New("the stream is too long")
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-cache")
	if r.Method == http.MethodHead {
		return nil
	}
	// Not a Ticker: it drops ticks when it is late, and all later events would be late by as many
	// periods.
	begun, period := time.Now(), time.Duration(ms)*time.Millisecond
	timer := time.NewTimer(period)
	defer timer.Stop()
	stream := http.NewResponseController(w)
	if err := stream.Flush(); err != nil {
		return nil // the client has gone
	}
	for tick := uint32(1); tick <= n; tick++ {
		select {
		case <-r.Context().Done():
			return nil
		case <-timer.C:
		}
		timer.Reset(time.Until(begun.Add(time.Duration(tick+1) * period)))
		data, err := json.Marshal(Tick{Tick: tick})
		if err != nil {
			panic(err) // a number can be encoded
		}
		fmt.Fprintf(w, "data: %s\n\n", data)
		if err := stream.Flush(); err != nil {
			return nil
		}
	}
	return nil
}
