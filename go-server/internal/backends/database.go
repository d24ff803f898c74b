// Package backends holds the routes of CONTRACT.md, 4.4: those that wait for a database, for other
// servers or for their client. It is linked by the servers that offer them, and by no other.
package backends

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// patience bounds the wait for a connection and all statements of a request.
const patience = 5 * time.Second

// What a Database executes. pgx prepares a statement on a connection when it is first executed there,
// and keeps it.
const (
	SelectWorld = "SELECT id, random_number FROM world WHERE id = $1"
	SelectItems = "SELECT id, name, price_cents, quantity FROM items" +
		" WHERE price_cents BETWEEN $1 AND $2 ORDER BY price_cents, id LIMIT $3"
	LockWorld      = "SELECT random_number FROM world WHERE id = $1 FOR UPDATE"
	UpdateWorld    = "UPDATE world SET last = $2 WHERE id = $1"
	SelectFortunes = "SELECT id, message FROM fortune"
)

// A Database is a pool of connections. Where there is no such row the error is sql.ErrNoRows.
type Database interface {
	// World returns the row, by one query.
	World(ctx context.Context, id int32) (World, error)
	// Worlds returns the rows, by a query for each, one after the other on one connection.
	Worlds(ctx context.Context, ids []uint32) ([]World, error)
	// Items returns the first rows with a price in this range, by price and number.
	Items(ctx context.Context, from, to int32, limit int64) ([]Item, error)
	// Update reads the row's number and writes and returns the sum with add, in one transaction.
	Update(ctx context.Context, id, add int32) (int32, error)
	// Fortunes returns all rows of the table fortune.
	Fortunes(ctx context.Context) ([]Fortune, error)
}

// A Pool is what the contract sets of a pool of connections. Of the zero value nothing is set: the pool
// is as its library has it.
type Pool struct {
	Size     int32         // how many connections are kept at most
	Patience time.Duration // how long the making of one may take, and a request with all statements
}

// A Driver reads the URL of a database and returns what opens it. Its connections are made when they
// are needed.
type Driver func(url string) (open func(Pool) Database, err error)

// A World is a row of the table world.
type World struct {
	ID           int32 `json:"id"`
	RandomNumber int32 `json:"random_number"`
}

// Updated is the response to POST /world/{id}.
type Updated struct {
	ID   int32 `json:"id"`
	Last int32 `json:"last"`
}

// An Item is a row of the table items.
type Item struct {
	ID         int32  `json:"id"`
	Name       string `json:"name"`
	PriceCents int32  `json:"price_cents"`
	Quantity   int32  `json:"quantity"`
}

// A Page is the response to GET /items-page.
type Page struct {
	Items []Item `json:"items"`
	Count int    `json:"count"`
}

// A Fortune is a row of the table fortune.
type Fortune struct {
	ID      int32
	Message string
}

// escaper writes what HTML would take for its own.
var escaper = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

// fortunesPage returns the page of these and one more, in ascending order of the messages' bytes.
func fortunesPage(all []Fortune) string {
	all = append(all, Fortune{Message: "Additional fortune added at request time."})
	slices.SortFunc(all, func(a, b Fortune) int { return strings.Compare(a.Message, b.Message) })
	var page strings.Builder
	page.WriteString("<!DOCTYPE html><html><head><title>Fortunes</title></head><body><table>" +
		"<tr><th>id</th><th>message</th></tr>")
	for _, f := range all {
		page.WriteString("<tr><td>")
		page.WriteString(strconv.Itoa(int(f.ID)))
		page.WriteString("</td><td>")
		escaper.WriteString(&page, f.Message) // a Builder takes all
		page.WriteString("</td></tr>")
	}
	page.WriteString("</table></body></html>")
	return page.String()
}
