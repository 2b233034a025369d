package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program that the demo runs. It has a process group of its own, so that Ctrl-C reaches the demo alone, which then ends them in
// order; and it is told to end when the demo is killed.
type process struct {
	name   string
	cmd    *exec.Cmd
	log    tail
	exited chan struct{}
}

// grace is how long a program may take to end by itself before it is killed.
const grace = 10 * time.Second

// attributes are those of every process of the demo.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// startProcess runs a program with its output in a file of that name in the folder logs and, the last lines of it, in memory.
func startProcess(logs, name string, cmd *exec.Cmd) (*process, error) {
	p := &process{name: name, cmd: cmd, exited: make(chan struct{})}
	file, err := os.Create(filepath.Join(logs, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = writer, writer, attributes()
	err = cmd.Start()
	writer.Close()
	if err != nil {
		reader.Close()
		file.Close()
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer file.Close()
		defer reader.Close()
		p.log.follow(io.TeeReader(reader, file))
	}()
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		<-read
		close(p.exited)
	}()
	return p, nil
}

// Stop ends the program and what it started, first kindly.
func (p *process) Stop() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM) // fails when it is gone
	select {
	case <-p.exited:
	case <-time.After(grace):
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.exited
}

// await polls a URL until it answers 200, the program ends or the time is up.
func (p *process) await(ctx context.Context, url string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		if err := answers(ctx, url); err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended at its start: %s", p.name, p.log.last())
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("%s did not answer at %s within %s: %s", p.name, url, limit, p.log.last())
			}
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// answers asks a URL once.
func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// freeAddress is a loopback address that was free a moment ago, for programs that do not tell which port they took.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

const tailLines = 20

func (t *tail) follow(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		t.mu.Lock()
		t.lines = append(t.lines, lines.Text())
		t.lines = t.lines[max(0, len(t.lines)-tailLines):]
		t.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, r) // after a line too long: never block the program
}

// last is the newest line that is not empty.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.lines) - 1; i >= 0; i-- {
		if s := strings.TrimSpace(t.lines[i]); s != "" {
			return s
		}
	}
	return "(it wrote nothing)"
}
