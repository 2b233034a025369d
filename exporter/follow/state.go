package follow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
)

// stateVersion is the form of the state file: one line with it and a check sum, then JSON. Files of form 1 may hold words of templates that are masked as
// secrets since: they are removed, not put aside.
const stateVersion = 2

// maxState bounds what is read back.
const maxState = 256 << 20

type state struct {
	Position json.RawMessage `json:"position"`
	Handler  []byte          `json:"handler"`
}

// errState is a state file that cannot be used, errOldState one that may not be kept either.
var (
	errState    = errors.New("not a state file of this version")
	errOldState = errors.New("a state file of form 1, which may hold secrets")
)

// save writes position and handler together. The file is replaced as a whole: a reader finds the old one or the new one.
func (s *Stream) save(position json.RawMessage) error {
	kept, err := s.Handler.Save()
	if err != nil {
		return fmt.Errorf("take the state: %w", err)
	}
	if s.State == "" {
		return nil
	}
	body, err := json.Marshal(state{Position: position, Handler: kept})
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return replace(s.State, fmt.Appendf(nil, "foreshock-logs %d %08x\n%s", stateVersion, crc32.ChecksumIEEE(body), body))
}

func replace(path string, content []byte) (err error) {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // the error that counts is the first
		}
	}()
	if _, err = f.Write(content); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename survive a loss of power.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // only read
	return d.Sync()
}

// restore goes to what was saved. A file that cannot be used is put aside under the ending .bad, and the source begins as if it were new.
func (s *Stream) restore() bool {
	if s.State == "" {
		return false
	}
	if err := os.MkdirAll(filepath.Dir(s.State), 0o700); err != nil {
		s.Reporter.Report(ReasonState, err.Error())
		return false
	}
	err := s.load()
	switch {
	case err == nil:
		return true
	case errors.Is(err, fs.ErrNotExist):
		return false
	}
	if errors.Is(err, errOldState) {
		s.Reporter.Report(ReasonState, fmt.Sprintf("%s: %v; it is removed, and the source begins anew", s.State, err))
		_ = os.Remove(s.State) // when that fails, the next save replaces it
		return false
	}
	s.Reporter.Report(ReasonState, fmt.Sprintf("%s: %v; it is put aside as .bad, and the source begins anew", s.State, err))
	_ = os.Rename(s.State, s.State+".bad") // when that fails, the next save replaces it
	return false
}

func (s *Stream) load() error {
	if info, err := os.Stat(s.State); err != nil {
		return err
	} else if info.Size() > maxState {
		return fmt.Errorf("%w: %d bytes", errState, info.Size())
	}
	b, err := os.ReadFile(s.State)
	if err != nil {
		return err
	}
	if bytes.HasPrefix(b, []byte("foreshock-logs 1 ")) {
		return errOldState
	}
	head, body, ok := bytes.Cut(b, []byte("\n"))
	if want := fmt.Sprintf("foreshock-logs %d %08x", stateVersion, crc32.ChecksumIEEE(body)); !ok || string(head) != want {
		return errState
	}
	var kept state
	if err := json.Unmarshal(body, &kept); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	if err := s.Handler.Load(kept.Handler); err != nil {
		return err
	}
	return s.Source.Restore(kept.Position)
}

func panicText(p any) string { return fmt.Sprintf("%v\n%s", p, debug.Stack()) }
