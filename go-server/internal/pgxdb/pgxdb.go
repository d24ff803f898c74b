// Package pgxdb is the database of CONTRACT.md, 4.4, with pgx and its pool.
package pgxdb

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"duet/go-server/internal/backends"
)

type database struct{ pool *pgxpool.Pool }

// Driver is a backends.Driver.
func Driver(url string) (func(backends.Pool) backends.Database, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	return func(limits backends.Pool) backends.Database {
		if limits.Size > 0 {
			config.MaxConns = limits.Size
			config.ConnConfig.ConnectTimeout = limits.Patience
		}
		pool, err := pgxpool.NewWithConfig(context.Background(), config)
		if err != nil {
			panic(err) // the configuration has been parsed, and the pool has at least one connection
		}
		return database{pool}
	}, nil
}

// World implements backends.Database.
func (db database) World(ctx context.Context, id int32) (backends.World, error) {
	var row backends.World
	err := db.pool.QueryRow(ctx, backends.SelectWorld, id).Scan(&row.ID, &row.RandomNumber)
	return row, err
}

// Worlds implements backends.Database.
func (db database) Worlds(ctx context.Context, ids []uint32) ([]backends.World, error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	rows := make([]backends.World, len(ids))
	for i, id := range ids {
		row := &rows[i]
		err := conn.QueryRow(ctx, backends.SelectWorld, int32(id)).Scan(&row.ID, &row.RandomNumber)
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// Items implements backends.Database.
func (db database) Items(ctx context.Context, from, to int32, limit int64) ([]backends.Item, error) {
	// An error of the query is returned when its rows are collected.
	rows, _ := db.pool.Query(ctx, backends.SelectItems, from, to, limit)
	return pgx.CollectRows(rows, pgx.RowToStructByPos[backends.Item])
}

// Update implements backends.Database.
func (db database) Update(ctx context.Context, id, add int32) (int32, error) {
	var last int32
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, backends.LockWorld, id).Scan(&last); err != nil {
			return err
		}
		last += add
		_, err := tx.Exec(ctx, backends.UpdateWorld, id, last)
		return err
	})
	return last, err
}

// Fortunes implements backends.Database.
func (db database) Fortunes(ctx context.Context) ([]backends.Fortune, error) {
	rows, _ := db.pool.Query(ctx, backends.SelectFortunes)
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (backends.Fortune, error) {
		var f backends.Fortune
		err := row.Scan(&f.ID, &f.Message)
		return f, err
	})
}
