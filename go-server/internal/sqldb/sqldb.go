// Package sqldb is the database of CONTRACT.md, 4.4, with database/sql and its pool, on pgx's driver.
package sqldb

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"duet/go-server/internal/backends"
)

type database struct{ pool *sql.DB }

// Driver is a backends.Driver.
func Driver(url string) (func(backends.Pool) backends.Database, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	return func(limits backends.Pool) backends.Database {
		if limits.Size == 0 {
			return database{stdlib.OpenDB(*config)}
		}
		config.ConnectTimeout = limits.Patience
		pool := stdlib.OpenDB(*config)
		pool.SetMaxOpenConns(int(limits.Size))
		// By default two are kept, and all others closed as soon as a request has ended.
		pool.SetMaxIdleConns(int(limits.Size))
		return database{pool}
	}, nil
}

// World implements backends.Database.
func (db database) World(ctx context.Context, id int32) (backends.World, error) {
	var row backends.World
	err := db.pool.QueryRowContext(ctx, backends.SelectWorld, id).Scan(&row.ID, &row.RandomNumber)
	return row, err
}

// Worlds implements backends.Database.
func (db database) Worlds(ctx context.Context, ids []uint32) ([]backends.World, error) {
	conn, err := db.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	rows := make([]backends.World, len(ids))
	for i, id := range ids {
		row := &rows[i]
		err := conn.QueryRowContext(ctx, backends.SelectWorld, int32(id)).
			Scan(&row.ID, &row.RandomNumber)
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// Items implements backends.Database.
func (db database) Items(ctx context.Context, from, to int32, limit int64) ([]backends.Item, error) {
	rows, err := db.pool.QueryContext(ctx, backends.SelectItems, from, to, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	items := []backends.Item{}
	for rows.Next() {
		var item backends.Item
		if err := rows.Scan(&item.ID, &item.Name, &item.PriceCents, &item.Quantity); err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, rows.Err()
}

// Update implements backends.Database.
func (db database) Update(ctx context.Context, id, add int32) (int32, error) {
	tx, err := db.pool.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() // nothing, once it has been committed
	var last int32
	if err := tx.QueryRowContext(ctx, backends.LockWorld, id).Scan(&last); err != nil {
		return 0, err
	}
	last += add
	if _, err := tx.ExecContext(ctx, backends.UpdateWorld, id, last); err != nil {
		return 0, err
	}
	return last, tx.Commit()
}

// Fortunes implements backends.Database.
func (db database) Fortunes(ctx context.Context) ([]backends.Fortune, error) {
	rows, err := db.pool.QueryContext(ctx, backends.SelectFortunes)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []backends.Fortune
	for rows.Next() {
		var f backends.Fortune
		if err := rows.Scan(&f.ID, &f.Message); err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, rows.Err()
}
