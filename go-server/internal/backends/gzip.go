package backends

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// gzipBytesMin is the shortest body that is worth it: shorter ones grow.
const gzipBytesMin = 32

// Gzipped adapts a handler: bodies are compressed at this level where the client accepts it.
func Gzipped(handler http.Handler, level int) http.Handler {
	pool := &sync.Pool{New: func() any {
		compressor, err := gzip.NewWriterLevel(io.Discard, level)
		if err != nil {
			panic(err) // the command line has checked the level
		}
		return compressor
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		compressed := &gzipWriter{ResponseWriter: w, accepted: acceptsGzip(r.Header), pool: pool}
		handler.ServeHTTP(compressed, r)
		compressed.end()
	})
}

// A gzipWriter compresses a body, unless it is short or the client does not accept that.
type gzipWriter struct {
	http.ResponseWriter
	accepted   bool
	begun      bool
	pool       *sync.Pool
	compressor *gzip.Writer // nil: the body stays as it is
}

// WriteHeader sends the head, which says how the body comes.
func (w *gzipWriter) WriteHeader(status int) {
	w.begun = true
	header := w.Header()
	length, err := strconv.Atoi(header.Get("Content-Length"))
	if err != nil || length >= gzipBytesMin {
		header.Add("Vary", "Accept-Encoding")
		if w.accepted {
			header.Del("Content-Length")
			header.Set("Content-Encoding", "gzip")
			header.Set("Transfer-Encoding", "chunked") // also where all of it fits a buffer
			w.compressor = w.pool.Get().(*gzip.Writer)
			w.compressor.Reset(w.ResponseWriter)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write sends part of the body.
func (w *gzipWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if w.compressor == nil {
		return w.ResponseWriter.Write(p)
	}
	return w.compressor.Write(p)
}

// Unwrap returns what is adapted, for http.ResponseController.
func (w *gzipWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *gzipWriter) end() {
	if w.compressor == nil {
		return
	}
	w.compressor.Close() // a failed write means that the client has gone
	w.pool.Put(w.compressor)
}

// acceptsGzip reports whether the client names gzip and not with q=0 (RFC 9110, 12.5.3).
func acceptsGzip(header http.Header) bool {
	for _, field := range header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(field, ",") {
			name, parameters, _ := strings.Cut(coding, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			weight, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(parameters)), "q=")
			q, err := strconv.ParseFloat(weight, 64)
			return !ok || err == nil && q > 0
		}
	}
	return false
}
