// Command go-gin serves all routes of CONTRACT.md, 4.1 to 4.3, with gin.
package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"

	"duet/go-server/internal/app"
	"duet/go-server/internal/nethttp"
	"duet/go-server/internal/serve"
)

// framework is what the server says that it is built on.
var framework = "gin " + serve.ModuleVersion("github.com/gin-gonic/gin")

func main() {
	gin.SetMode(gin.ReleaseMode)
	os.Exit(serve.Main(serve.Program{
		Name:      "go-gin",
		Framework: framework,
		NewServer: newServer,
	}, os.Args[1:], os.Stdout, os.Stderr))
}

func newServer(timeouts serve.Timeouts) serve.Server {
	return nethttp.NewServer(newRouter(), timeouts)
}

func newRouter() *gin.Engine {
	router := gin.New() // without the logger of gin.Default
	router.HandleMethodNotAllowed = true
	router.RedirectTrailingSlash = false
	router.UseRawPath = true // an escaped slash is part of a parameter

	get := []string{http.MethodGet, http.MethodHead}
	router.Match(get, "/", withoutBody(index))
	router.Match(get, "/hello", withoutBody(hello))
	router.Match(get, "/sum", withoutBody(sum))
	router.POST("/sum", withBody(sumWithBody))
	router.Match(get, "/items/:n", withoutBody(items))
	router.POST("/orders", withBody(orders))
	router.Match(get, "/cpu", withoutBody(cpu))

	router.NoRoute(withoutBody(func(*gin.Context) error { return nethttp.ErrNotFound }))
	router.NoMethod(withoutBody(func(*gin.Context) error { return nethttp.ErrMethodNotAllowed }))
	return router
}

func index(c *gin.Context) error {
	c.Data(http.StatusOK, nethttp.HTMLType, []byte(app.Index))
	return nil
}

func hello(c *gin.Context) error {
	return respondJSON(c, app.NewHello())
}

func sum(c *gin.Context) error {
	total, err := sumOfQuery(c)
	if err != nil {
		return err
	}
	c.String(http.StatusOK, "%d", total)
	return nil
}

func sumWithBody(c *gin.Context, body []byte) error {
	total, err := sumOfQuery(c)
	if err != nil {
		return err
	}
	third, err := app.ParseInteger(string(body))
	if err != nil {
		return err
	}
	c.String(http.StatusOK, "%d", total+third)
	return nil
}

func items(c *gin.Context) error {
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

func orders(c *gin.Context, body []byte) error {
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

func cpu(c *gin.Context) error {
	n, err := countFromQuery(c, "n", app.SpectralSizeMax)
	if err != nil {
		return err
	}
	c.String(http.StatusOK, "%.9f", app.SpectralNorm(n))
	return nil
}

// respondJSON encodes as c.JSON does, which names a charset and does not say the length of a long
// response.
func respondJSON(c *gin.Context, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.Data(http.StatusOK, nethttp.JSONType, body)
	return nil
}

// sumOfQuery returns the sum of the parameters a and b.
func sumOfQuery(c *gin.Context) (int64, error) {
	var total int64
	for _, name := range []string{"a", "b"} {
		value, err := single(c, name)
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
func countFromQuery(c *gin.Context, name string, most uint32) (uint32, error) {
	value, err := single(c, name)
	if err != nil {
		return 0, err
	}
	return app.ParseCount(value, most)
}

// single returns the value of a parameter that must occur exactly once.
func single(c *gin.Context, name string) (string, error) {
	if values := c.QueryArray(name); len(values) == 1 {
		return values[0], nil
	}
	return "", errors.New("not exactly one " + name)
}

// withBody adapts a route that takes a body.
func withBody(handle func(c *gin.Context, body []byte) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		body, err := nethttp.ReadBody(c.Writer, c.Request)
		if err == nil {
			err = handle(c, body)
		}
		if err != nil {
			nethttp.Refuse(c.Writer, c.Request, err)
		}
	}
}

// withoutBody adapts a route that takes no body.
func withoutBody(handle func(c *gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		err := nethttp.SkipBody(c.Writer, c.Request)
		if err == nil {
			err = handle(c)
		}
		if err != nil {
			nethttp.Refuse(c.Writer, c.Request, err)
		}
	}
}
