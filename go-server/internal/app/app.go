// Package app holds the responses of CONTRACT.md, section 4: typed values, and the rules for what a
// client may send. It knows no HTTP: routes, status codes and the encoding of responses are each
// server's own.
package app

// Index is the response to GET /.
const Index = "<html><body>Hello world</body></html>\r\n"

// Hello is the response to GET /hello.
type Hello struct {
	Message string `json:"message"`
}

// NewHello returns the greeting.
func NewHello() Hello {
	return Hello{Message: "hello world"}
}

// Failure is the body of every response that is not a success.
type Failure struct {
	Error string `json:"error"`
}
