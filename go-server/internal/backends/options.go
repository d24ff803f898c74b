package backends

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Usage is what the command line takes beside what every server does.
const Usage = " [-database URL] [-pool N]"

const (
	poolDefault = 16
	poolMax     = 1024
)

// Options say where the services are.
type Options struct {
	database *pgxpool.Config // nil: there is none
	pool     int32
}

// Define defines the flags.
func (o *Options) Define(flags *flag.FlagSet) {
	o.pool = poolDefault
	flags.Func("database", "", func(s string) error {
		config, err := pgxpool.ParseConfig(s)
		if err != nil {
			return errors.New("must be a URL of PostgreSQL")
		}
		o.database = config
		return nil
	})
	flags.Func("pool", "", func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > poolMax {
			return fmt.Errorf("must be 1 to %d", poolMax)
		}
		o.pool = int32(n)
		return nil
	})
}

// Open makes the pool, if a database is named. Its connections are made when they are needed.
func (o *Options) Open() *Services {
	if o.database == nil {
		return &Services{}
	}
	o.database.MaxConns = o.pool
	o.database.ConnConfig.ConnectTimeout = patience
	pool, err := pgxpool.NewWithConfig(context.Background(), o.database)
	if err != nil {
		panic(err) // the configuration has been parsed, and the pool has at least one connection
	}
	return &Services{Database: pool}
}
