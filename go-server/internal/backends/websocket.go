package backends

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	// Of the two libraries that Go servers have for this it is the one that goes on: the last
	// release of gorilla/websocket is of June 2024.
	"github.com/coder/websocket"

	"duet/go-server/internal/app"
	"duet/go-server/internal/nethttp"
	"duet/go-server/internal/serve"
)

// Limits of CONTRACT.md, 4.10.
const (
	messageMax = 1 << 20
	behindMax  = 256
)

// sockets has the routes of CONTRACT.md, 4.10.
type sockets struct {
	timeouts serve.Timeouts

	mu    sync.Mutex
	rooms map[uint32]*room // those that have members
}

// addSockets adds the routes to a mux.
func addSockets(mux *http.ServeMux, timeouts serve.Timeouts) {
	s := &sockets{timeouts: timeouts, rooms: make(map[uint32]*room)}
	mux.HandleFunc("GET /ws/echo", s.echo)
	mux.HandleFunc("GET /ws/rooms/{id}", s.talk)
	mux.Handle("/ws/echo", nethttp.MethodNotAllowed("GET, HEAD"))
	mux.Handle("/ws/rooms/{id}", nethttp.MethodNotAllowed("GET, HEAD"))
}

// accept makes a WebSocket of a request, or refuses it.
func accept(w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		slog.DebugContext(r.Context(), "request refused", "error", err)
		return nil, err
	}
	conn.SetReadLimit(messageMax)
	return conn, nil
}

// within returns a context that ends after a time; 0: never.
func within(d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), d)
}

// A message is text or binary.
type message struct {
	kind websocket.MessageType
	body []byte
}

// echo sends messages back until the connection is over.
func (s *sockets) echo(w http.ResponseWriter, r *http.Request) {
	conn, err := accept(w, r)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for err == nil {
		err = s.echoOne(conn)
	}
}

func (s *sockets) echoOne(conn *websocket.Conn) error {
	ctx, cancel := within(s.timeouts.Idle)
	defer cancel()
	kind, body, err := conn.Read(ctx)
	if err != nil {
		return err
	}
	return conn.Write(ctx, kind, body)
}

// talk hands on what comes either way, until the connection is over.
func (s *sockets) talk(w http.ResponseWriter, r *http.Request) {
	id, err := app.ParseCount(r.PathValue("id"), idMax)
	if err != nil {
		nethttp.Refuse(w, r, err)
		return
	}
	// Before the response: whoever has it is a member.
	m := &member{messages: make(chan message, behindMax)}
	room := s.join(id, m)
	defer s.leave(id, room, m)
	conn, err := accept(w, r)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	go s.deliver(conn, m)
	for {
		received, err := s.read(conn)
		if err != nil {
			return
		}
		room.publish(received)
	}
}

func (s *sockets) read(conn *websocket.Conn) (message, error) {
	ctx, cancel := within(s.timeouts.Idle)
	defer cancel()
	kind, body, err := conn.Read(ctx)
	return message{kind, body}, err
}

func (s *sockets) write(conn *websocket.Conn, m message) error {
	ctx, cancel := within(s.timeouts.Write)
	defer cancel()
	return conn.Write(ctx, m.kind, m.body)
}

// deliver sends a member what comes to its room, until it is none any more.
func (s *sockets) deliver(conn *websocket.Conn, m *member) {
	for received := range m.messages {
		if s.write(conn, received) != nil {
			conn.CloseNow() // ends the reading, too
			return
		}
	}
	if m.slow {
		conn.Close(websocket.StatusPolicyViolation, "too slow")
	}
}

// A member of a room.
type member struct {
	messages chan message // closed when it is none any more
	slow     bool         // set before that: it was too far behind
}

// A room has members, of whom each gets every message, all in the same order.
type room struct {
	mu      sync.Mutex
	members map[*member]struct{}
}

// publish sends a message to all members.
func (r *room) publish(m message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for member := range r.members {
		select {
		case member.messages <- m:
		default:
			member.slow = true
			r.remove(member)
		}
	}
}

// remove removes a member, if it is one. The room is locked.
func (r *room) remove(m *member) {
	if _, ok := r.members[m]; ok {
		delete(r.members, m)
		close(m.messages)
	}
}

// join makes m a member of a room.
func (s *sockets) join(id uint32, m *member) *room {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[id]
	if r == nil {
		r = &room{members: make(map[*member]struct{})}
		s.rooms[id] = r
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[m] = struct{}{}
	return r
}

// leave ends a membership, and that of the last member the room.
func (s *sockets) leave(id uint32, r *room, m *member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(m)
	if len(r.members) == 0 && s.rooms[id] == r {
		delete(s.rooms, id)
	}
}
