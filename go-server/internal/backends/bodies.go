package backends

import (
	"io"
	"net/http"
	"strconv"

	"duet/go-server/internal/nethttp"
)

const (
	// chunkBytes is the size of the pieces in which a body is made and sent.
	chunkBytes = 16_384
	// alphabet has the characters of a body.
	alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

	octetsType = "application/octet-stream"
)

// echo responds with the body of the request while it arrives. Its length is known to the response
// if it is known to the request.
func echo(w http.ResponseWriter, r *http.Request) {
	// Otherwise HTTP/1.1 reads a request to its end, or no more of it, when its response begins.
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		panic(err) // both protocols can
	}
	header := w.Header()
	header.Set("Content-Type", octetsType)
	if r.ContentLength >= 0 {
		header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	if _, err := io.Copy(w, r.Body); err != nil {
		panic(http.ErrAbortHandler) // the client must not take what came for all
	}
}

// streamBytes responds with a chunk again and again, cut at n.
func streamBytes(w http.ResponseWriter, r *http.Request) error {
	n, err := nethttp.CountFromQuery(r, "n", bytesMax)
	if err != nil {
		return err
	}
	seed, err := seedFromQuery(r)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", octetsType)
	header.Set("Transfer-Encoding", "chunked") // also where all of it fits a buffer
	chunk := newChunk(seed)
	for left := int(n); left > 0; left -= chunkBytes {
		if _, err := w.Write(chunk[:min(left, chunkBytes)]); err != nil {
			return nil // the client has gone
		}
	}
	return nil
}

func newChunk(seed uint64) []byte {
	chunk := make([]byte, 0, chunkBytes)
	for word := range uint64(chunkBytes / 4) {
		mixed := mix(seed + word)
		for shift := 0; shift < 32; shift += 8 {
			chunk = append(chunk, alphabet[mixed>>shift&63])
		}
	}
	return chunk
}
