package storetest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// server is a private PostgreSQL, shared by the tests of one process that run
// at the same time, each in a database of its own.
var server struct {
	mu    sync.Mutex
	users int
	next  int
	on    *Server
}

// Postgres starts a PostgreSQL on 127.0.0.1 when none of this process runs yet,
// and returns the URL of an empty database in it. It ends with the last test
// that uses it, and with the process in any case. Without PostgreSQL's programs the test
// fails, or is skipped when FORESHOCK_TEST_OPTIONAL is 1.
func Postgres(t testing.TB) string {
	t.Helper()
	bin := programs(t)
	server.mu.Lock()
	defer server.mu.Unlock()
	if server.users == 0 {
		on, err := newServer(bin)
		if err != nil {
			t.Fatalf("starting PostgreSQL: %v", err)
		}
		server.on = on
	}
	server.users++
	t.Cleanup(func() {
		server.mu.Lock()
		defer server.mu.Unlock()
		if server.users--; server.users == 0 {
			server.on.remove()
		}
	})
	server.next++
	name := fmt.Sprintf("test%d", server.next)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, server.on.URL("postgres"))
	if err == nil {
		_, err = c.Exec(ctx, "CREATE DATABASE "+name)
		_ = c.Close(ctx)
	}
	if err != nil {
		t.Fatalf("making a database: %v", err)
	}
	return server.on.URL(name)
}

// PostgresAlone starts a PostgreSQL for this test alone, which may end it and
// start it again. It is removed with the test. As Postgres else.
func PostgresAlone(t testing.TB) *Server {
	t.Helper()
	s, err := newServer(programs(t))
	if err != nil {
		t.Fatalf("starting PostgreSQL: %v", err)
	}
	t.Cleanup(s.remove)
	return s
}

// Server is a PostgreSQL on 127.0.0.1 with a folder of its own.
type Server struct {
	bin, dir string
	port     int
	attr     *syscall.SysProcAttr
	process  *os.Process
	ended    chan struct{}
}

// URL is that of a database in it.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://foreshock@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

func newServer(bin string) (*Server, error) {
	dir, err := os.MkdirTemp("", "foreshock-postgres")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, dir: dir}
	if s.attr, err = owner(dir); err != nil {
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", s.data(), "-U", "foreshock", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = s.attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	if err := s.Start(); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Start starts it, on the port that it had, and returns when it answers.
func (s *Server) Start() error {
	var log bytes.Buffer
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.data(), "-p", strconv.Itoa(s.port), "-k", s.dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", "shared_buffers=64MB")
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.attr.Credential, Pdeathsig: syscall.SIGQUIT}
	started, ended := make(chan error), make(chan struct{})
	go func() { // the signal comes when the thread ends, so it must stay
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(ended)
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process, s.ended = cmd.Process, ended
	if err := s.answering(); err != nil {
		s.Crash()
		return fmt.Errorf("%w: %s", err, log.String())
	}
	return nil
}

// Crash ends it at once, as pg_ctl does with "-m immediate": every connection
// breaks, nothing is put in order, and the next start recovers from the log.
func (s *Server) Crash() {
	if s.process != nil {
		_ = s.process.Signal(syscall.SIGQUIT)
		<-s.ended
	}
	s.process = nil
}

func (s *Server) remove() {
	s.Crash()
	_ = os.RemoveAll(s.dir)
}

// answering waits until the server takes connections.
func (s *Server) answering() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		c, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-s.ended:
			return fmt.Errorf("it ended")
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond): // there is nothing to wait on but the port
		}
	}
}

// programs finds the folder of initdb and postgres.
func programs(t testing.TB) string {
	t.Helper()
	if p, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(p)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		const missing = "PostgreSQL's initdb is not installed (Debian: apt-get install postgresql)"
		if os.Getenv("FORESHOCK_TEST_OPTIONAL") == "1" {
			t.Skip(missing)
		}
		t.Fatal(missing)
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1])
}

// owner makes the folder the postgres user's when this is root, whom PostgreSQL
// refuses, and returns how to start programs as that user.
func owner(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{}
	if os.Getuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid) // numbers on unix
	gid, _ := strconv.Atoi(u.Gid)
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, uid, gid)
}
