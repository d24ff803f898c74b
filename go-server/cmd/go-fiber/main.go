// Command go-fiber serves all routes of CONTRACT.md, 4.1 to 4.3, with fiber, on fasthttp.
package main

import (
	"errors"
	"net/url"
	"os"
	"strconv"

	"github.com/gofiber/fiber/v3"

	"duet/go-server/internal/app"
	"duet/go-server/internal/serve"
)

// framework is what the server says that it is built on.
var framework = "fiber " + serve.ModuleVersion("github.com/gofiber/fiber/v3")

func main() {
	os.Exit(serve.Main(serve.Program{
		Name:      "go-fiber",
		Framework: framework,
		NewServer: newServer,
	}, os.Args[1:], os.Stdout, os.Stderr))
}

// addRoutes adds the routes. One of GET serves HEAD too.
func addRoutes(router *fiber.App) {
	router.Get("/", index)
	router.Get("/hello", hello)
	router.Get("/sum", sum)
	router.Post("/sum", sumWithBody)
	router.Get("/items/:n", items)
	router.Post("/orders", orders)
	router.Get("/cpu", cpu)
}

func index(c fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return c.SendString(app.Index)
}

func hello(c fiber.Ctx) error {
	return respondJSON(c, app.NewHello())
}

func sum(c fiber.Ctx) error {
	total, err := sumOfQuery(c)
	if err != nil {
		return err
	}
	return c.SendString(strconv.FormatInt(total, 10))
}

func sumWithBody(c fiber.Ctx) error {
	total, err := sumOfQuery(c)
	if err != nil {
		return err
	}
	third, err := app.ParseInteger(string(c.BodyRaw()))
	if err != nil {
		return err
	}
	return c.SendString(strconv.FormatInt(total+third, 10))
}

func items(c fiber.Ctx) error {
	text, err := url.PathUnescape(c.Params("n")) // which is as it was sent
	if err != nil {
		return err
	}
	n, err := app.ParseCount(text, app.ItemCountMax)
	if err != nil {
		return err
	}
	factor, err := countFromQuery(c, "m", app.ItemFactorMax)
	if err != nil {
		return err
	}
	return respondJSON(c, app.NewItemList(n, factor))
}

func orders(c fiber.Ctx) error {
	// c.Body would decompress what says that it is compressed, however large it becomes.
	orders, err := app.DecodeOrders(c.BodyRaw())
	if err != nil {
		return err
	}
	summary, err := app.Summarize(orders)
	if err != nil {
		return err
	}
	return respondJSON(c, summary)
}

func cpu(c fiber.Ctx) error {
	n, err := countFromQuery(c, "n", app.SpectralSizeMax)
	if err != nil {
		return err
	}
	return c.SendString(strconv.FormatFloat(app.SpectralNorm(n), 'f', 9, 64))
}

// respondJSON encodes by encoding/json, fiber's default, without the charset that it would name.
func respondJSON(c fiber.Ctx, v any) error {
	return c.JSON(v, fiber.MIMEApplicationJSON)
}

// sumOfQuery returns the sum of the parameters a and b.
func sumOfQuery(c fiber.Ctx) (int64, error) {
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
func countFromQuery(c fiber.Ctx, name string, most uint32) (uint32, error) {
	value, err := single(c, name)
	if err != nil {
		return 0, err
	}
	return app.ParseCount(value, most)
}

// single returns the value of a parameter that must occur exactly once.
func single(c fiber.Ctx, name string) (string, error) {
	if values := c.RequestCtx().QueryArgs().PeekMulti(name); len(values) == 1 {
		return string(values[0]), nil
	}
	return "", errors.New("not exactly one " + name)
}
