package backends

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/sync/errgroup"

	"duet/go-server/internal/nethttp"
)

// idleCallsMax is how many connections to the upstream service are kept. The default of two would
// close nearly all of them after each request.
const idleCallsMax = 1024

// An Upstream is a service that is called.
type Upstream struct {
	client *http.Client
	url    string // http://HOST:PORT
}

// NewUpstream returns a client of the service at url, which is called directly, whatever the
// environment names.
func NewUpstream(url string) *Upstream {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConns = idleCallsMax
	transport.MaxIdleConnsPerHost = idleCallsMax
	return &Upstream{client: &http.Client{Transport: transport}, url: url}
}

// A FannedOut is the response to GET /fanout.
type FannedOut struct {
	N   uint32 `json:"n"`
	Sum uint64 `json:"sum"`
	Max uint32 `json:"max"`
}

func (s *Services) fanOut(w http.ResponseWriter, r *http.Request) error {
	n, err := nethttp.CountFromQuery(r, "n", callsMax)
	if err != nil {
		return err
	}
	ms, err := nethttp.CountFromQuery(r, "ms", callMsMax)
	if err != nil {
		return err
	}
	seed, err := seedFromQuery(r)
	if err != nil {
		return err
	}
	if s.Upstream == nil {
		return nethttp.ErrUnavailable
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	nonces, err := s.Upstream.nonces(ctx, n, ms, seed)
	if err != nil {
		return errors.Join(nethttp.ErrUnavailable, err)
	}
	response := FannedOut{N: n}
	for _, nonce := range nonces {
		response.Sum += uint64(nonce)
		response.Max = max(response.Max, nonce)
	}
	nethttp.RespondJSON(w, r, http.StatusOK, response)
	return nil
}

// nonces calls the service n times at once.
func (u *Upstream) nonces(ctx context.Context, n, ms uint32, seed uint64) ([]uint32, error) {
	group, ctx := errgroup.WithContext(ctx)
	nonces := make([]uint32, n)
	for i := range nonces {
		group.Go(func() error {
			nonce, err := u.nonce(ctx, seed, i, ms)
			nonces[i] = nonce
			return err
		})
	}
	return nonces, group.Wait()
}

func (u *Upstream) nonce(ctx context.Context, seed uint64, i int, ms uint32) (uint32, error) {
	url := fmt.Sprintf("%s/nonce?seed=%d&i=%d&ms=%d", u.url, seed, i, ms)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := u.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the upstream service responds with %s", response.Status)
	}
	// To its end, so that the connection is used again.
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	var called struct {
		Nonce *uint32 `json:"nonce"`
	}
	if err := json.Unmarshal(body, &called); err != nil {
		return 0, err
	}
	if called.Nonce == nil {
		return 0, errors.New("the upstream service gives no nonce")
	}
	return *called.Nonce, nil
}
