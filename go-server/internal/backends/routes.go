package backends

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"duet/go-server/internal/app"
	"duet/go-server/internal/nethttp"
	"duet/go-server/internal/serve"
)

// Limits of CONTRACT.md, 4.4.
const (
	idMax    = 1<<31 - 1
	rowsMax  = 500
	priceMax = 1_000_000
	limitMax = 100
	addMax   = 1_000_000
	msMax    = 10_000

	callsMax  = 100
	callMsMax = 1_000
	bytesMax  = 64 << 20
)

// worldRows is how many rows the table world has.
const worldRows = 10_000

// Services are what the routes wait for. Without one, its routes respond with 503.
type Services struct {
	Database Database
	Pool     Pool // of the database
	Upstream *Upstream

	Timeouts serve.Timeouts // of WebSockets; all other routes leave them to http.Server
}

// Add adds the routes to a mux.
func (s *Services) Add(mux *http.ServeMux) {
	mux.Handle("GET /world/{id}", nethttp.WithoutBody(s.world))
	mux.Handle("POST /world/{id}", nethttp.WithBody(s.update))
	mux.Handle("GET /worlds", nethttp.WithoutBody(s.worlds))
	mux.Handle("GET /items-page", nethttp.WithoutBody(s.itemsPage))
	mux.Handle("GET /fortunes", nethttp.WithoutBody(s.fortunes))
	mux.Handle("GET /fanout", nethttp.WithoutBody(s.fanOut))
	mux.Handle("POST /echo", http.HandlerFunc(echo))
	mux.Handle("GET /bytes", nethttp.WithoutBody(streamBytes))
	mux.Handle("GET /delay", nethttp.WithoutBody(delay))
	addTicks(mux)
	addSockets(mux, s.Timeouts)

	mux.Handle("/world/{id}", nethttp.MethodNotAllowed("GET, HEAD, POST"))
	mux.Handle("/echo", nethttp.MethodNotAllowed("POST"))
	for _, path := range []string{"/worlds", "/items-page", "/fortunes", "/fanout", "/bytes", "/delay"} {
		mux.Handle(path, nethttp.MethodNotAllowed("GET, HEAD"))
	}
}

func (s *Services) world(w http.ResponseWriter, r *http.Request) error {
	id, err := app.ParseCount(r.PathValue("id"), idMax)
	if err != nil {
		return err
	}
	row, err := ask(s, r, func(ctx context.Context) (World, error) {
		return s.Database.World(ctx, int32(id))
	})
	if err != nil {
		return err
	}
	nethttp.RespondJSON(w, r, http.StatusOK, row)
	return nil
}

func (s *Services) update(w http.ResponseWriter, r *http.Request, body []byte) error {
	id, err := app.ParseCount(r.PathValue("id"), idMax)
	if err != nil {
		return err
	}
	var change struct {
		Add *uint32 `json:"add"`
	}
	if err := json.Unmarshal(body, &change); err != nil {
		return err
	}
	if change.Add == nil || *change.Add > addMax {
		return errors.New("add is missing or too large")
	}
	last, err := ask(s, r, func(ctx context.Context) (int32, error) {
		return s.Database.Update(ctx, int32(id), int32(*change.Add))
	})
	if err != nil {
		return err
	}
	nethttp.RespondJSON(w, r, http.StatusOK, Updated{ID: int32(id), Last: last})
	return nil
}

func (s *Services) worlds(w http.ResponseWriter, r *http.Request) error {
	n, err := nethttp.CountFromQuery(r, "n", rowsMax)
	if err != nil {
		return err
	}
	seed, err := seedFromQuery(r)
	if err != nil {
		return err
	}
	rows, err := ask(s, r, func(ctx context.Context) ([]World, error) {
		return s.Database.Worlds(ctx, distinctIDs(n, seed))
	})
	if err != nil {
		return err
	}
	nethttp.RespondJSON(w, r, http.StatusOK, rows)
	return nil
}

func (s *Services) itemsPage(w http.ResponseWriter, r *http.Request) error {
	var values [3]uint32
	for i, parameter := range []struct {
		name string
		most uint32
	}{{"from", priceMax}, {"to", priceMax}, {"limit", limitMax}} {
		value, err := nethttp.CountFromQuery(r, parameter.name, parameter.most)
		if err != nil {
			return err
		}
		values[i] = value
	}
	items, err := ask(s, r, func(ctx context.Context) ([]Item, error) {
		return s.Database.Items(ctx, int32(values[0]), int32(values[1]), int64(values[2]))
	})
	if err != nil {
		return err
	}
	nethttp.RespondJSON(w, r, http.StatusOK, Page{Items: items, Count: len(items)})
	return nil
}

func (s *Services) fortunes(w http.ResponseWriter, r *http.Request) error {
	all, err := ask(s, r, func(ctx context.Context) ([]Fortune, error) {
		return s.Database.Fortunes(ctx)
	})
	if err != nil {
		return err
	}
	nethttp.Respond(w, http.StatusOK, nethttp.HTMLType, []byte(fortunesPage(all)))
	return nil
}

// ask asks the database, for as long as its patience lasts, if that has an end.
func ask[T any](s *Services, r *http.Request, query func(context.Context) (T, error)) (T, error) {
	var none T
	if s.Database == nil {
		return none, nethttp.ErrUnavailable
	}
	ctx := r.Context()
	if s.Pool.Patience > 0 {
		limited, cancel := context.WithTimeout(ctx, s.Pool.Patience)
		defer cancel()
		ctx = limited
	}
	value, err := query(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return none, nethttp.ErrNotFound
	}
	if err != nil {
		return none, errors.Join(nethttp.ErrUnavailable, err)
	}
	return value, nil
}

// A Delayed is the response to GET /delay.
type Delayed struct {
	Ms uint32 `json:"ms"`
}

func delay(w http.ResponseWriter, r *http.Request) error {
	ms, err := nethttp.CountFromQuery(r, "ms", msMax)
	if err != nil {
		return err
	}
	time.Sleep(time.Duration(ms) * time.Millisecond)
	nethttp.RespondJSON(w, r, http.StatusOK, Delayed{Ms: ms})
	return nil
}

// seedFromQuery returns the parameter seed, of digits only.
func seedFromQuery(r *http.Request) (uint64, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return 0, err
	}
	value, err := nethttp.Single(query, "seed")
	if err != nil {
		return 0, err
	}
	seed, err := app.ParseInteger(value)
	if err == nil && value[0] == '-' {
		err = errors.New("seed has a sign")
	}
	return uint64(seed), err
}

// mix is Knuth's multiplicative hash.
func mix(x uint64) uint64 { return x * 2654435761 % (1 << 32) }

// distinctIDs returns n ids of rows. One that is already there gives way to the next higher one,
// and the last to the first.
func distinctIDs(n uint32, seed uint64) []uint32 {
	ids := make([]uint32, 0, n)
	taken := make(map[uint32]bool, n)
	for i := range uint64(n) {
		id := uint32(mix(seed+i)%worldRows) + 1
		for taken[id] {
			id = id%worldRows + 1
		}
		taken[id] = true
		ids = append(ids, id)
	}
	return ids
}
