// Package servetest runs a server program as a process of its own and checks what it promises in
// CONTRACT.md: every program section 1, and those that have the routes of 4.1 to 4.3 the rest.
package servetest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// programEnv tells the test binary to be the program.
const programEnv = "DUET_TEST_AS_PROGRAM"

// processTime bounds the life of a process in a test.
const processTime = 30 * time.Second

// Main is the TestMain of a program: the test binary runs program when it is started by Start or
// Run, so that what they start is built as the tests are.
func Main(m *testing.M, program func()) {
	if os.Getenv(programEnv) != "" {
		program()
		return
	}
	os.Exit(m.Run())
}

// A Process is a program that listens.
type Process struct {
	Addr string

	t      *testing.T
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr *bytes.Buffer
}

// Start runs the program on a free port and waits until it listens.
func Start(t *testing.T, args ...string) *Process {
	t.Helper()
	p := launch(t, append([]string{"-addr", "127.0.0.1:0"}, args...))
	line, err := p.stdout.ReadString('\n')
	addr, ok := strings.CutPrefix(line, "listening ")
	if err != nil || !ok {
		t.Fatalf("first line is %q, %v; want listening HOST:PORT", line, err)
	}
	p.Addr = strings.TrimSuffix(addr, "\n")
	return p
}

// Run runs the program to its end and returns its exit code and what it printed.
func Run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return launch(t, args).Wait()
}

// startQuiet is Start for a program that must not have said anything when the test ends it.
func startQuiet(t *testing.T, args ...string) *Process {
	t.Helper()
	p := Start(t, args...)
	t.Cleanup(func() {
		if p.cmd.ProcessState != nil {
			return // goroutines has ended it
		}
		p.Terminate()
		if code, stdout, stderr := p.Wait(); code != 0 || stdout != "" || stderr != "" {
			t.Errorf("got %d, %q, %q; want 0 and no output", code, stdout, stderr)
		}
	})
	return p
}

func launch(t *testing.T, args []string) *Process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), processTime)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	// A program that is built to detect races waits a second at its end, unless it is told not to.
	cmd.Env = append(os.Environ(), programEnv+"=1", "GORACE=atexit_sleep_ms=0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Process{t: t, cmd: cmd, stdout: bufio.NewReader(stdout), stderr: &stderr}
	t.Cleanup(func() {
		cancel()
		if cmd.ProcessState == nil {
			cmd.Wait() // killed by cancel, because the test has failed before it waited
		}
	})
	return p
}

// Terminate sends SIGTERM.
func (p *Process) Terminate() {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
}

// Signal sends a signal.
func (p *Process) Signal(signal os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
}

// Wait returns the exit code of the process, and what it printed since it listens.
func (p *Process) Wait() (code int, stdout, stderr string) {
	p.t.Helper()
	out, err := io.ReadAll(p.stdout)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			p.t.Fatal(err)
		}
	}
	return p.cmd.ProcessState.ExitCode(), string(out), p.stderr.String()
}

// sockets returns how many sockets the process has open.
func (p *Process) sockets() int {
	p.t.Helper()
	folder := fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)
	entries, err := os.ReadDir(folder)
	if err != nil {
		p.t.Fatal(err)
	}
	count := 0
	for _, entry := range entries {
		// One that was closed in between has no target.
		target, _ := os.Readlink(filepath.Join(folder, entry.Name()))
		if strings.HasPrefix(target, "socket:") {
			count++
		}
	}
	return count
}

// goroutines ends the process and returns how many goroutines it had: the runtime lists them on
// SIGQUIT.
func (p *Process) goroutines() int {
	p.t.Helper()
	p.Signal(syscall.SIGQUIT)
	_, stdout, stderr := p.Wait()
	count := strings.Count(stderr, "\ngoroutine ")
	if stdout != "" || count == 0 {
		p.t.Fatalf("got %q, %q; want a list of goroutines", stdout, stderr)
	}
	return count
}

// CheckProgram checks the command line of a program, its queue of connections, and its end on a
// signal while connections idle.
func CheckProgram(t *testing.T, name, framework string) {
	CheckProcess(t, name, framework)
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(signal.String()+" with idle connections", func(t *testing.T) {
			checkEnd(t, signal)
		})
	}
}

// CheckProcess checks the command line of a program and its queue of connections, whatever it
// speaks on them.
func CheckProcess(t *testing.T, name, framework string) {
	t.Run("version", func(t *testing.T) {
		for _, flag := range []string{"-version", "--version"} {
			code, stdout, stderr := Run(t, flag)
			want := fmt.Sprintf("%s 0.1.0 (%s, %s)\n", name, framework, runtime.Version())
			if code != 0 || stdout != want || stderr != "" {
				t.Errorf("%s: got %d, %q, %q; want 0, %q", flag, code, stdout, stderr, want)
			}
		}
	})
	t.Run("help", func(t *testing.T) {
		for _, flag := range []string{"-h", "-help", "--help"} {
			code, stdout, stderr := Run(t, flag)
			if code != 0 || !strings.HasPrefix(stdout, "usage: [-addr ") || stderr != "" {
				t.Errorf("%s: got %d, %q, %q; want 0 and the usage", flag, code, stdout, stderr)
			}
		}
	})
	t.Run("usage", func(t *testing.T) {
		for _, args := range [][]string{
			{"-nonsense"},
			{"nonsense"},
			{"-version", "nonsense"},
			{"-addr"},
			{"-addr", "127.0.0.1"},
			{"-addr", "127.0.0.1:http"},
			{"-addr", "127.0.0.1:65536"},
			{"-threads", "0"},
			{"-threads", "-1"},
			{"-threads", "two"},
			{"-threads", "1025"},
			{"-timeout-ms", "0"},
			{"-timeout-ms", "x"},
		} {
			CheckRefused(t, 2, args...)
		}
	})
	t.Run("port in use", func(t *testing.T) {
		CheckRefused(t, 1, "-addr", Start(t).Addr)
	})
	t.Run("connections that wait", checkWaiting)
}

// checkWaiting checks that connections that a program has not accepted yet wait, also 600 at once,
// and none is turned away where the system allows so many.
func checkWaiting(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err != nil {
		t.Fatal(err)
	}
	allowed, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	p := Start(t)
	p.Signal(syscall.SIGSTOP)
	defer p.Signal(syscall.SIGCONT)
	for n := range min(allowed, 600) {
		conn, err := net.DialTimeout("tcp", p.Addr, processTime/2)
		if err != nil {
			t.Fatalf("connection %d: %v", n, err)
		}
		defer conn.Close()
	}
}

// CheckStandardLibraryOnly checks that the package under test, without its tests, is built from the
// standard library and this module alone.
func CheckStandardLibraryOnly(t *testing.T) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps",
		"-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(out)) {
		if !strings.HasPrefix(path, "duet/go-server/") {
			t.Errorf("%s is linked", path)
		}
	}
}

// CheckRefused checks that the program ends with the exit code and one line on standard error, which
// it returns.
func CheckRefused(t *testing.T, wantCode int, args ...string) string {
	t.Helper()
	code, stdout, stderr := Run(t, args...)
	oneLine := strings.Count(stderr, "\n") == 1 && strings.HasSuffix(stderr, "\n")
	if code != wantCode || stdout != "" || !oneLine {
		t.Errorf("%q: got %d, %q, %q; want %d and one line on standard error",
			args, code, stdout, stderr, wantCode)
	}
	return stderr
}

func checkEnd(t *testing.T, signal os.Signal) {
	p := Start(t, "--threads", "1")
	for range 16 {
		conn, err := net.Dial("tcp", p.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if want := `{"message":"hello world"}`; string(body) != want || err != nil {
			t.Fatalf("got %q, %v; want %q", body, err, want)
		}
	}
	p.Signal(signal)
	if code, stdout, stderr := p.Wait(); code != 0 || stdout != "" || stderr != "" {
		t.Errorf("got %d, %q, %q; want 0 and no output", code, stdout, stderr)
	}
}
