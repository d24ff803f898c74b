package serve

import "time"

// Timeouts bounds how long a client may take (CONTRACT.md, section 2). rust-server/src/timeouts.rs
// has the same numbers.
type Timeouts struct {
	Idle    time.Duration // from one request's end to the first byte of the next
	Head    time.Duration // for the head of a request, and for a TLS handshake
	Request time.Duration // for a request with its body
	Write   time.Duration // for a response, from the end of the request's head
}

// ContractTimeouts are those of CONTRACT.md.
var ContractTimeouts = Timeouts{
	Idle:    30 * time.Second,
	Head:    30 * time.Second,
	Request: time.Minute,
	Write:   time.Minute,
}

// allTimeouts is for tests: all the same.
func allTimeouts(d time.Duration) Timeouts {
	return Timeouts{Idle: d, Head: d, Request: d, Write: d}
}
