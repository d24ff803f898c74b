package servetest

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// checkWebSockets checks CONTRACT.md, 4.10. rust-server/tests/servers/websocket.rs tests the same of
// the Rust servers.
func checkWebSockets(t *testing.T) {
	p := Start(t)
	t.Run("echo", func(t *testing.T) { checkEchoes(t, p.Addr) })
	t.Run("long", func(t *testing.T) { checkLongMessages(t, p.Addr) })
	t.Run("rooms", func(t *testing.T) { checkRooms(t, p.Addr) })
	t.Run("slow", func(t *testing.T) { checkSlowMember(t, p.Addr) })
	t.Run("silent", checkSilentClients)
	t.Run("refused", func(t *testing.T) { checkNoHandshakes(t, p.Addr) })
}

// open opens a WebSocket, which is closed when the test is over.
func open(t *testing.T, ctx context.Context, addr, path string) *websocket.Conn {
	t.Helper()
	conn, response, err := websocket.Dial(ctx, "ws://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	for _, name := range []string{"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"} {
		if got := response.Header.Get(name); got != "" {
			t.Errorf("%s: got %q; want none", name, got)
		}
	}
	conn.SetReadLimit(1 << 21)
	return conn
}

func timeLimit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), processTime)
	t.Cleanup(cancel)
	return ctx
}

// sendText sends a text message.
func sendText(t *testing.T, ctx context.Context, conn *websocket.Conn, text string) {
	t.Helper()
	if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// wantMessage reads a message, which is the one that is expected.
func wantMessage(t *testing.T, ctx context.Context, conn *websocket.Conn,
	kind websocket.MessageType, want string,
) {
	t.Helper()
	gotKind, got, err := conn.Read(ctx)
	if err != nil || gotKind != kind || string(got) != want {
		t.Fatalf("got %v %.40q (%d bytes), %v; want %v %.40q", gotKind, got, len(got), err, kind, want)
	}
}

// Messages come back as they are, in their order, and pings are answered between them.
func checkEchoes(t *testing.T, addr string) {
	ctx := timeLimit(t)
	conn := open(t, ctx, addr, "/ws/echo")
	texts := []string{"1", "", "zwölf", strings.Repeat("x", 70_000), strings.Repeat("y", 1<<20)}
	for _, text := range texts {
		for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
			if err := conn.Write(ctx, kind, []byte(text)); err != nil {
				t.Fatal(err)
			}
			wantMessage(t, ctx, conn, kind, text)
		}
	}
	for i := range 100 {
		sendText(t, ctx, conn, fmt.Sprint(i))
	}
	for i := range 100 {
		wantMessage(t, ctx, conn, websocket.MessageText, fmt.Sprint(i))
	}
	pinged := make(chan error, 1)
	go func() { pinged <- conn.Ping(ctx) }()
	// A pong is read by whoever reads.
	read := conn.CloseRead(ctx)
	if err := <-pinged; err != nil {
		t.Error(err)
	}
	conn.Close(websocket.StatusNormalClosure, "")
	<-read.Done()
}

// A message of more than 1 MiB ends the connection.
func checkLongMessages(t *testing.T, addr string) {
	ctx := timeLimit(t)
	conn := open(t, ctx, addr, "/ws/echo")
	conn.Write(ctx, websocket.MessageText, []byte(strings.Repeat("x", 1<<20+1))) // may be cut off
	if kind, body, err := conn.Read(ctx); err == nil {
		t.Errorf("got %v of %d bytes; want an end", kind, len(body))
	}
}

// Every member gets every message, its own too, in the same order; other rooms get none of them.
func checkRooms(t *testing.T, addr string) {
	const messages = 50
	ctx := timeLimit(t)
	members := make([]*websocket.Conn, 3)
	for i := range members {
		members[i] = open(t, ctx, addr, "/ws/rooms/7")
	}
	elsewhere := open(t, ctx, addr, "/ws/rooms/8")
	for i := range messages {
		for j, member := range members {
			sendText(t, ctx, member, fmt.Sprintf("%d %d", j, i))
		}
	}
	var order []string
	for i, member := range members {
		var next [3]int
		for at := range messages * len(members) {
			_, got, err := member.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var sender, number int
			if _, err := fmt.Sscanf(string(got), "%d %d", &sender, &number); err != nil {
				t.Fatal(err)
			}
			if number != next[sender] {
				t.Fatalf("of %d: got %d; want %d", sender, number, next[sender])
			}
			next[sender]++
			if i == 0 {
				order = append(order, string(got))
			} else if string(got) != order[at] {
				t.Fatalf("member %d: got %q; want %q, as the first one has it", i, got, order[at])
			}
		}
	}
	sendText(t, ctx, elsewhere, "alone")
	wantMessage(t, ctx, elsewhere, websocket.MessageText, "alone")
}

// A member that takes nothing is closed and holds nobody up.
func checkSlowMember(t *testing.T, addr string) {
	ctx := timeLimit(t)
	slow := open(t, ctx, addr, "/ws/rooms/9")
	quick := open(t, ctx, addr, "/ws/rooms/9")
	text := strings.Repeat("x", 1<<16)
	for range 1_000 {
		sendText(t, ctx, quick, text)
		wantMessage(t, ctx, quick, websocket.MessageText, text)
	}
	var err error
	for err == nil {
		_, _, err = slow.Read(ctx)
	}
	if got := websocket.CloseStatus(err); got != websocket.StatusPolicyViolation {
		t.Errorf("got %v (%v); want %v", got, err, websocket.StatusPolicyViolation)
	}
}

// Who says nothing for too long loses the connection.
func checkSilentClients(t *testing.T) {
	ctx := timeLimit(t)
	p := Start(t, "-timeout-ms", "200")
	for _, path := range []string{"/ws/echo", "/ws/rooms/7"} {
		conn := open(t, ctx, p.Addr, path)
		began := time.Now()
		if _, _, err := conn.Read(ctx); err == nil {
			t.Errorf("%s: a message; want an end", path)
		}
		if time.Since(began) < 100*time.Millisecond {
			t.Errorf("%s: it ended too soon", path)
		}
	}
}

func checkNoHandshakes(t *testing.T, addr string) {
	for _, test := range []struct {
		line   string
		status []int
	}{
		{"GET /ws/echo", []int{http.StatusBadRequest, http.StatusUpgradeRequired}},
		{"GET /ws/rooms/7", []int{http.StatusBadRequest, http.StatusUpgradeRequired}},
		{"GET /ws/rooms/0", []int{http.StatusBadRequest}},
		{"GET /ws/rooms/x", []int{http.StatusBadRequest}},
		{"GET /ws/rooms/2147483648", []int{http.StatusBadRequest}},
		{"POST /ws/echo", []int{http.StatusMethodNotAllowed}},
		{"POST /ws/rooms/7", []int{http.StatusMethodNotAllowed}},
		{"GET /ws", []int{http.StatusNotFound}},
	} {
		conn := dial(t, addr)
		send(t, conn, request(test.line, ""))
		got := readResponse(t, bufio.NewReader(conn), http.MethodGet).status
		if got != test.status[0] && got != test.status[len(test.status)-1] {
			t.Errorf("%s: got %d; want %v", test.line, got, test.status)
		}
	}
}
