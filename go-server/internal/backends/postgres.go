// Package backends holds the routes of CONTRACT.md, 4.4: those that wait for a database, for other
// servers or for their client. It is linked by the servers that offer them, and by no other.
package backends

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// patience bounds the wait for a connection and all statements of a request.
const patience = 5 * time.Second

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

// A fortune is a row of the table fortune.
type fortune struct {
	id      int32
	message string
}

// pgx prepares a statement on a connection when it is first executed there, and keeps it.
const (
	selectWorld = "SELECT id, random_number FROM world WHERE id = $1"
	selectItems = "SELECT id, name, price_cents, quantity FROM items" +
		" WHERE price_cents BETWEEN $1 AND $2 ORDER BY price_cents, id LIMIT $3"
	lockWorld      = "SELECT random_number FROM world WHERE id = $1 FOR UPDATE"
	updateWorld    = "UPDATE world SET last = $2 WHERE id = $1"
	selectFortunes = "SELECT id, message FROM fortune"
)

func world(ctx context.Context, pool *pgxpool.Pool, id uint32) (World, error) {
	var row World
	err := pool.QueryRow(ctx, selectWorld, int32(id)).Scan(&row.ID, &row.RandomNumber)
	return row, err
}

// worlds has a query for each row, one after the other on one connection.
func worlds(ctx context.Context, pool *pgxpool.Pool, ids []uint32) ([]World, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	rows := make([]World, len(ids))
	for i, id := range ids {
		row := &rows[i]
		err := conn.QueryRow(ctx, selectWorld, int32(id)).Scan(&row.ID, &row.RandomNumber)
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func itemsPage(ctx context.Context, pool *pgxpool.Pool, from, to, limit uint32) (Page, error) {
	// Without rows an error is returned when they are collected.
	rows, _ := pool.Query(ctx, selectItems, int32(from), int32(to), int64(limit))
	items, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Item])
	return Page{Items: items, Count: len(items)}, err
}

func update(ctx context.Context, pool *pgxpool.Pool, id, add uint32) (Updated, error) {
	var last int32
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, lockWorld, int32(id)).Scan(&last); err != nil {
			return err
		}
		last += int32(add)
		_, err := tx.Exec(ctx, updateWorld, int32(id), last)
		return err
	})
	return Updated{ID: int32(id), Last: last}, err
}

func fortunes(ctx context.Context, pool *pgxpool.Pool) (string, error) {
	rows, _ := pool.Query(ctx, selectFortunes)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (fortune, error) {
		var f fortune
		err := row.Scan(&f.id, &f.message)
		return f, err
	})
	if err != nil {
		return "", err
	}
	all = append(all, fortune{message: "Additional fortune added at request time."})
	slices.SortFunc(all, func(a, b fortune) int { return strings.Compare(a.message, b.message) })
	return fortunesPage(all), nil
}

// escaper writes what HTML would take for its own.
var escaper = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

func fortunesPage(all []fortune) string {
	var page strings.Builder
	page.WriteString("<!DOCTYPE html><html><head><title>Fortunes</title></head><body><table>" +
		"<tr><th>id</th><th>message</th></tr>")
	for _, f := range all {
		page.WriteString("<tr><td>")
		page.WriteString(strconv.Itoa(int(f.id)))
		page.WriteString("</td><td>")
		escaper.WriteString(&page, f.message) // a Builder takes all
		page.WriteString("</td></tr>")
	}
	page.WriteString("</table></body></html>")
	return page.String()
}
