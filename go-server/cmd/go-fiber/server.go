package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"

	"duet/go-server/internal/app"
	"duet/go-server/internal/serve"
)

// Limits of CONTRACT.md, section 2, in bytes. fasthttp reads a head into one buffer, which every
// connection has while it has a request.
const (
	bodyMax = 1 << 20
	headMax = 16 << 10
)

// A server is fiber's, with the methods of net/http's.
type server struct {
	router *fiber.App
}

func newServer(timeouts serve.Timeouts) serve.Server {
	router := fiber.New(fiber.Config{
		CaseSensitive:  true,
		StrictRouting:  true,
		BodyLimit:      bodyMax,
		ReadBufferSize: headMax,
		IdleTimeout:    timeouts.Idle,
		ReadTimeout:    timeouts.Head,
		WriteTimeout:   timeouts.Write,
		ErrorHandler:   refuse,
	})
	// ReadTimeout is for a head with its body, unless the head is told otherwise.
	router.Server().HeaderReceived = func(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
		if length := h.ContentLength(); length == 0 || length == noLength {
			return fasthttp.RequestConfig{}
		}
		return fasthttp.RequestConfig{ReadTimeout: timeouts.Request}
	}
	// The last response of a connection says so.
	router.Server().CloseOnShutdown = true
	addRoutes(router)
	return server{router}
}

// noLength is what fasthttp has for a head that speaks of no body.
const noLength = -2

func (s server) Serve(listener net.Listener) error {
	config := fiber.ListenConfig{DisableStartupMessage: true}
	if err := s.router.Listener(lingeringListener{listener}, config); err != nil {
		return err
	}
	return http.ErrServerClosed
}

func (s server) Shutdown(ctx context.Context) error { return s.router.ShutdownWithContext(ctx) }

// Close has nothing to do: what Shutdown has not waited for ends with the process.
func (s server) Close() error { return nil }

// refuse responds to a request that the contract does not allow: one that fiber or fasthttp have
// refused, or one of which a route says what is wrong.
func refuse(c fiber.Ctx, err error) error {
	slog.DebugContext(c, "request refused", "error", err)
	status, message := fiber.StatusBadRequest, "bad request"
	if known, ok := errors.AsType[*fiber.Error](err); ok {
		switch known.Code {
		case fiber.StatusNotFound:
			status, message = known.Code, "not found"
		case fiber.StatusMethodNotAllowed:
			status, message = known.Code, "method not allowed"
		case fiber.StatusRequestTimeout:
			status, message = known.Code, "request timeout"
		case fiber.StatusRequestEntityTooLarge:
			status, message = known.Code, "payload too large"
		case fiber.StatusRequestHeaderFieldsTooLarge:
			status, message = known.Code, "request header fields too large"
		}
		if status != fiber.StatusNotFound && status != fiber.StatusMethodNotAllowed {
			// fasthttp gives the connection up, although the client may be sending yet.
			c.RequestCtx().Conn().(*lingeringConn).linger.Store(true)
		}
	}
	if status != fiber.StatusMethodNotAllowed {
		// fiber has looked for the path's other methods for every request that fasthttp refuses.
		c.Response().Header.Del(fiber.HeaderAllow)
	}
	return c.Status(status).JSON(app.Failure{Error: message}, fiber.MIMEApplicationJSON)
}
