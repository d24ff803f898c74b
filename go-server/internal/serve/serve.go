// Package serve is what every Go server does around its handler (CONTRACT.md, section 1): command
// line, listener, the line that says it listens, and the end on SIGTERM or SIGINT.
package serve

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

const (
	version = "0.1.0"

	// drainTime is how long a request that has begun may take after a signal. The contract leaves
	// two seconds for all of the end.
	drainTime = 1500 * time.Millisecond

	// threadsMax is far above any machine this runs on; the runtime dies of absurd numbers.
	threadsMax = 1024
)

// A Program is one of the servers under test.
type Program struct {
	Name      string
	Framework string // named by --version
	// NewServer makes the server. One whose clients may take as long as they like, as the
	// article's, ignores the time-outs.
	NewServer func(Timeouts) Server

	// Transports is whether it speaks TLS and HTTP/2 if the command line says so. NewServer makes
	// an http.Server then.
	Transports bool

	// Define adds flags of its own, if it has any, of which More is the usage.
	Define func(*flag.FlagSet)
	More   string
}

// A Server serves connections, as http.Server does.
type Server interface {
	// Serve accepts connections until the end, and returns http.ErrServerClosed then.
	Serve(net.Listener) error
	// Shutdown waits for the requests that have begun.
	Shutdown(context.Context) error
	// Close cuts off what Shutdown has not waited for.
	Close() error
}

// Usage, on one line.
const (
	usage           = "[-addr HOST:PORT] [-threads N] [-timeout-ms N] [-version] [-help]"
	usageTransports = " [-tls-cert FILE -tls-key FILE | -h2c]"
)

// errUsage marks a command line that is not understood.
var errUsage = errors.New("usage")

func (p Program) usage() string {
	if p.Transports {
		return usage + usageTransports + p.More
	}
	return usage + p.More
}

// Main serves p until SIGTERM or an interrupt, and returns the exit code: 0, 1 if it failed, 2 if
// args are not understood.
func Main(p Program, args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	err := run(ctx, p, args, stdout)
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

func run(ctx context.Context, p Program, args []string, stdout io.Writer) error {
	o, err := parse(p, args)
	if errors.Is(err, flag.ErrHelp) {
		_, err := fmt.Fprintf(stdout, "usage: %s\n", p.usage())
		return err
	}
	if err != nil {
		return fmt.Errorf("%w (%w: %s)", err, errUsage, p.usage())
	}
	if o.version {
		_, err := fmt.Fprintf(stdout, "%s %s (%s, %s)\n",
			p.Name, version, p.Framework, runtime.Version())
		return err
	}
	if o.threads > 0 {
		runtime.GOMAXPROCS(o.threads)
	}
	server := p.NewServer(o.timeouts)
	serveConnections, err := o.transport.prepare(server)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "listening %s\n", listener.Addr()); err != nil {
		return err
	}
	return serve(ctx, server, listener, serveConnections)
}

type options struct {
	addr      string
	threads   int // 0: the runtime decides
	version   bool
	timeouts  Timeouts
	transport transport
}

func parse(p Program, args []string) (options, error) {
	o := options{timeouts: ContractTimeouts}
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error is one line, without the list of flags
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "")
	flags.BoolVar(&o.version, "version", false, "")
	flags.Func("threads", "", func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > threadsMax {
			return fmt.Errorf("must be 1 to %d", threadsMax)
		}
		o.threads = n
		return nil
	})
	flags.Func("timeout-ms", "", func(s string) error {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil || n == 0 {
			return errors.New("must be a number above 0")
		}
		o.timeouts = allTimeouts(time.Duration(n) * time.Millisecond)
		return nil
	})
	if p.Transports {
		o.transport.define(flags)
	}
	if p.Define != nil {
		p.Define(flags)
	}
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err == nil {
		err = checkAddr(o.addr)
	}
	if err == nil {
		err = o.transport.check()
	}
	return o, err
}

func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("invalid port in -addr %q", addr)
	}
	return nil
}

// serve responds until ctx is done, then lets the requests that have begun finish. What
// serveConnections calls is a method of the server.
func serve(ctx context.Context, server Server, listener net.Listener,
	serveConnections func(net.Listener) error,
) error {
	served := make(chan error, 1)
	go func() { served <- serveConnections(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}

	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	// Shutdown holds out for connections that have never sent a byte, and for slow handlers: what
	// is left after drainTime is cut off.
	err := server.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if err != nil {
		return err
	}
	listener.Close() // closed by now, but for a server that was told to end before it began
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
