package backends

import (
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"duet/go-server/internal/nethttp"
	"duet/go-server/internal/serve"
)

// Usage is what the command line takes beside what every server does.
const Usage = " [-database URL] [-pool N] [-upstream URL] [-gzip LEVEL] [-defaults]"

const (
	poolDefault = 16
	poolMax     = 1024
)

// Options say where the services are, and by which driver the database is reached.
type Options struct {
	Driver Driver

	database func(Pool) Database // opens it; nil: there is none
	pool     int32
	upstream string // a URL; empty: there is none
	gzip     int    // a level; 0: nothing is compressed
	defaults bool   // neither time-outs nor the pool are as the contract says
}

// Define defines the flags.
func (o *Options) Define(flags *flag.FlagSet) {
	o.pool = poolDefault
	flags.BoolVar(&o.defaults, "defaults", false, "")
	flags.Func("database", "", func(s string) error {
		open, err := o.Driver(s)
		if err != nil {
			return errors.New("must be a URL of PostgreSQL")
		}
		o.database = open
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
	flags.Func("gzip", "", func(s string) error {
		level, err := strconv.Atoi(s)
		if err != nil || level < gzip.BestSpeed || level > gzip.BestCompression {
			return errors.New("must be 1 to 9")
		}
		o.gzip = level
		return nil
	})
	flags.Func("upstream", "", func(s string) error {
		if !strings.HasPrefix(s, "http://") {
			return errors.New("must be a URL of HTTP")
		}
		o.upstream = s
		return nil
	})
}

// NewServer returns a server of all routes.
func (o *Options) NewServer(timeouts serve.Timeouts) serve.Server {
	if o.defaults {
		timeouts = serve.Timeouts{} // http.Server has none then
	}
	mux := nethttp.NewMux()
	services := o.open()
	services.Timeouts = timeouts
	services.Add(mux)
	return nethttp.NewServer(o.handler(mux), timeouts)
}

// open makes the clients of the services that are named. Their connections are made when they are
// needed.
func (o *Options) open() *Services {
	var services Services
	if !o.defaults {
		services.Pool = Pool{Size: o.pool, Patience: patience}
	}
	if o.database != nil {
		services.Database = o.database(services.Pool)
	}
	if o.upstream != "" {
		services.Upstream = NewUpstream(o.upstream)
	}
	return &services
}

// handler returns the handler of a mux, as the options say.
func (o *Options) handler(mux *http.ServeMux) http.Handler {
	if o.gzip == 0 {
		return mux
	}
	return Gzipped(mux, o.gzip)
}
