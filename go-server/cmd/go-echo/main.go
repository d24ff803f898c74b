// Command go-echo serves all routes of CONTRACT.md, 4.1 to 4.3, with echo.
package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/labstack/echo/v5"

	"duet/go-server/internal/app"
	"duet/go-server/internal/nethttp"
	"duet/go-server/internal/serve"
)

// framework is what the server says that it is built on.
var framework = "echo " + serve.ModuleVersion("github.com/labstack/echo/v5")

func main() {
	os.Exit(serve.Main(serve.Program{
		Name:      "go-echo",
		Framework: framework,
		NewServer: newServer,
	}, os.Args[1:], os.Stdout, os.Stderr))
}

func newServer(timeouts serve.Timeouts) serve.Server {
	return nethttp.NewServer(newEcho(), timeouts)
}

func newEcho() *echo.Echo {
	e := echo.NewWithConfig(echo.Config{
		Logger:           slog.Default(),
		HTTPErrorHandler: refuse,
		Router: echo.NewRouter(echo.RouterConfig{
			NotFoundHandler:         withoutBody(notFound),
			MethodNotAllowedHandler: withoutBody(methodNotAllowed),
			OptionsMethodHandler:    withoutBody(methodNotAllowed), // by default a 204
			UnescapePathParamValues: true,
		}),
	})
	get := []string{http.MethodGet, http.MethodHead}
	e.Match(get, "/", withoutBody(index))
	e.Match(get, "/hello", withoutBody(hello))
	e.Match(get, "/sum", withoutBody(sum))
	e.POST("/sum", withBody(sumWithBody))
	e.Match(get, "/items/:n", withoutBody(items))
	// A parameter at the end of a pattern would take the rest of the path, slashes and all.
	e.RouteNotFound("/items/:n/*", withoutBody(notFound))
	e.POST("/orders", withBody(orders))
	e.Match(get, "/cpu", withoutBody(cpu))
	return e
}

func index(c *echo.Context) error {
	return respond(c, nethttp.HTMLType, []byte(app.Index))
}

func hello(c *echo.Context) error {
	return respondJSON(c, app.NewHello())
}

func sum(c *echo.Context) error {
	total, err := sumOfQuery(c)
	if err != nil {
		return err
	}
	return respond(c, nethttp.TextType, strconv.AppendInt(nil, total, 10))
}

func sumWithBody(c *echo.Context, body []byte) error {
	total, err := sumOfQuery(c)
	if err != nil {
		return err
	}
	third, err := app.ParseInteger(string(body))
	if err != nil {
		return err
	}
	return respond(c, nethttp.TextType, strconv.AppendInt(nil, total+third, 10))
}

func items(c *echo.Context) error {
	n, err := app.ParseCount(c.Param("n"), app.ItemCountMax)
	if err != nil {
		return err
	}
	factor, err := countFromQuery(c, "m", app.ItemFactorMax)
	if err != nil {
		return err
	}
	return respondJSON(c, app.NewItemList(n, factor))
}

func orders(c *echo.Context, body []byte) error {
	orders, err := app.DecodeOrders(body)
	if err != nil {
		return err
	}
	summary, err := app.Summarize(orders)
	if err != nil {
		return err
	}
	return respondJSON(c, summary)
}

func cpu(c *echo.Context) error {
	n, err := countFromQuery(c, "n", app.SpectralSizeMax)
	if err != nil {
		return err
	}
	norm := app.SpectralNorm(n)
	return respond(c, nethttp.TextType, strconv.AppendFloat(nil, norm, 'f', 9, 64))
}

// respondJSON encodes by encoding/json, as c.JSON does, which ends a response with a new line and
// does not say the length of a long one.
func respondJSON(c *echo.Context, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return respond(c, nethttp.JSONType, body)
}

// respond writes a response. An error means that the client has gone.
func respond(c *echo.Context, contentType string, body []byte) error {
	c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	return c.Blob(http.StatusOK, contentType, body)
}

func notFound(*echo.Context) error { return nethttp.ErrNotFound }

// methodNotAllowed leaves out OPTIONS, which echo would respond to itself.
func methodNotAllowed(c *echo.Context) error {
	allow, _ := c.Get(echo.ContextKeyHeaderAllow).(string)
	c.Response().Header().Set(echo.HeaderAllow, strings.TrimPrefix(allow, "OPTIONS, "))
	return nethttp.ErrMethodNotAllowed
}

// refuse handles the errors of all routes.
func refuse(c *echo.Context, err error) {
	if response, _ := echo.UnwrapResponse(c.Response()); response != nil && response.Committed {
		return
	}
	nethttp.Refuse(c.Response(), c.Request(), err)
}

// sumOfQuery returns the sum of the parameters a and b.
func sumOfQuery(c *echo.Context) (int64, error) {
	var total int64
	for _, name := range []string{"a", "b"} {
		value, err := nethttp.Single(c.QueryParams(), name)
		if err != nil {
			return 0, err
		}
		n, err := app.ParseInteger(value)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// countFromQuery returns the parameter of that name, which is from 1 to most.
func countFromQuery(c *echo.Context, name string, most uint32) (uint32, error) {
	value, err := nethttp.Single(c.QueryParams(), name)
	if err != nil {
		return 0, err
	}
	return app.ParseCount(value, most)
}

// withBody adapts a route that takes a body.
func withBody(handle func(c *echo.Context, body []byte) error) echo.HandlerFunc {
	return func(c *echo.Context) error {
		body, err := nethttp.ReadBody(c.Response(), c.Request())
		if err != nil {
			return err
		}
		return handle(c, body)
	}
}

// withoutBody adapts a route that takes no body.
func withoutBody(handle echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		if err := nethttp.SkipBody(c.Response(), c.Request()); err != nil {
			return err
		}
		return handle(c)
	}
}
