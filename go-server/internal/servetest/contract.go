package servetest

import "testing"

// A check starts the program as often as it needs it.
type check struct {
	name string
	run  func(t *testing.T)
}

// CheckContract checks what CONTRACT.md says of HTTP (section 2) and of the routes of 4.1 to 4.3.
// rust-server/tests/servers has the same checks of the Rust servers.
func CheckContract(t *testing.T) {
	runAll(t, []check{
		{"responses", checkResponses},
		{"refusals", checkRefusals},
		{"unknown method", checkUnknownMethod},
		{"refused bodies", checkRefusedBodies},
		{"body limit", checkBodyLimit},
		{"HEAD", checkHead},
		{"pipelining", checkPipelining},
		{"100 Continue", checkExpectContinue},
		{"large head", checkLargeHead},
		{"misbehaving clients", checkMisbehavingClients},
		{"silent connection", checkSilentConnection},
		{"slow request", checkSlowRequest},
		{"client that does not read", checkClientThatDoesNotRead},
		{"end finishes a request", checkTerminateFinishesRequest},
		{"end with clients that never finish", checkTerminateWithUnfinishedClients},
	})
}

// CheckTransports checks section 6: TLS and HTTP/2.
func CheckTransports(t *testing.T) {
	runAll(t, []check{
		{"every transport", checkEveryTransport},
		{"large requests", checkLargeRequestsOfEveryTransport},
		{"many streams at once", checkManyStreamsAtOnce},
		{"handshake", checkHandshake},
		{"handshakes that fail", checkHandshakesThatFail},
		{"clients that take too long", checkClientsThatTakeTooLong},
		{"resumption", checkResumption},
		{"settings of HTTP/2", checkSettingsOfHTTP2},
		{"one protocol in the clear", checkOneProtocolInTheClear},
		{"command lines", checkCommandLinesOfTransports},
		{"end finishes a request", checkTerminateFinishesRequestOfEveryTransport},
		{"end with clients that never finish", checkTerminateWithClientsThatNeverFinish},
	})
}

func runAll(t *testing.T, checks []check) {
	for _, c := range checks {
		t.Run(c.name, c.run)
	}
}
