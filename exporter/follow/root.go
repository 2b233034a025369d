package follow

import (
	"os"
	"path/filepath"
	"strings"
)

// maxLinks is how many links one path may lead through, as in the kernel.
const maxLinks = 40

// real returns where a path leads to within the root of the host that wrote the logs: its absolute links are meant from there.
func (s *Files) real(path string) string {
	if s.o.Root == "" || s.o.Root == "/" {
		return path
	}
	return within(filepath.Clean(s.o.Root), path)
}

// target is real with every link followed, also where the root is ours.
func (s *Files) target(path string) (string, error) {
	if to := s.real(path); to != path {
		return to, nil
	}
	return filepath.EvalSymlinks(path)
}

// glob returns what a pattern matches, under the names that the pattern has.
func (s *Files) glob(pattern string) []string {
	fixed := filepath.Dir(pattern[:strings.IndexAny(pattern, `*?[\\`)] + "x")
	at := s.real(fixed)
	names, _ := filepath.Glob(at + strings.TrimPrefix(pattern, fixed)) // the pattern was checked
	for i, name := range names {
		names[i] = fixed + strings.TrimPrefix(name, at)
	}
	return names
}

// within follows the links of a path segment by segment and never leaves root. Of a path that is not under root, or leads in circles, nothing is followed.
func within(root, path string) string {
	rest, ok := strings.CutPrefix(filepath.Clean(path), root+"/")
	if !ok {
		return path
	}
	at, todo, links := root, strings.Split(rest, "/"), 0
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			if at != root {
				at = filepath.Dir(at)
			}
			continue
		}
		target, err := os.Readlink(filepath.Join(at, name))
		if err != nil { // no link, or not there
			at = filepath.Join(at, name)
			continue
		}
		if links++; links > maxLinks {
			return path
		}
		if filepath.IsAbs(target) {
			at = root
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return at
}
