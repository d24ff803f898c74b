package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func TestThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	ended, end := context.WithCancel(t.Context())
	end()
	for _, want := range []int{1, 3} {
		args := []string{"-addr", "127.0.0.1:0", "-threads", strconv.Itoa(want)}
		if err := run(ended, Program{NewServer: newServer}, args, io.Discard); err != nil {
			t.Fatal(err)
		}
		if got := runtime.GOMAXPROCS(0); got != want {
			t.Errorf("got %d threads; want %d", got, want)
		}
	}
}

func TestOutputClosed(t *testing.T) {
	reader, writer := io.Pipe()
	reader.Close()
	args := []string{"-addr", "127.0.0.1:0"}
	err := run(t.Context(), Program{NewServer: newServer}, args, writer)
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v; want %v", err, io.ErrClosedPipe)
	}
}

// Neither a request that never ends nor a connection that never says anything holds up the end.
func TestDrainIsBounded(t *testing.T) {
	begun := make(chan struct{})
	server := &http.Server{
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(begun)
			<-r.Context().Done()
		}),
	}
	ctx, end := context.WithCancel(t.Context())
	lines, stdout := io.Pipe()
	ended := make(chan error)
	go func() {
		ended <- run(ctx, Program{NewServer: func(Timeouts) Server { return server }}, []string{"-addr", "127.0.0.1:0"}, stdout)
	}()

	buffer := make([]byte, 100)
	n, err := lines.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	addr := strings.TrimSpace(strings.TrimPrefix(string(buffer[:n]), "listening "))
	for _, request := range []string{"", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
	}
	<-begun
	end()
	if err := <-ended; err != nil {
		t.Errorf("got %v; want no error", err)
	}
}

func newServer(Timeouts) Server { return &http.Server{} }
