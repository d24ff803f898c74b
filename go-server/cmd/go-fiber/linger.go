package main

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// lingerTime is how long a client may go on sending after its request was refused. net/http leaves
// it as much.
const lingerTime = 500 * time.Millisecond

// A lingeringListener accepts lingering connections.
type lingeringListener struct{ net.Listener }

func (l lingeringListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lingeringConn{TCPConn: conn.(*net.TCPConn)}, nil
}

// A lingeringConn can wait for its client to stop sending before it closes. Otherwise the system
// would reset the connection for what it has received and nobody has read, and the client might
// lose the response, such as a 413. net/http does this by itself, fasthttp does not.
type lingeringConn struct {
	*net.TCPConn
	linger atomic.Bool
}

func (c *lingeringConn) Close() error {
	if c.linger.Swap(false) && c.CloseWrite() == nil &&
		c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		io.Copy(io.Discard, c.TCPConn) // ends when the client does, or by the deadline
	}
	return c.TCPConn.Close()
}
