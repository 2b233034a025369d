package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// flagSet reads a command line as node_exporter's programs do: --name=value, --name value, and for switches --name and --no-name. It is here because
// the library for it prints its help through text/template, which makes the linker keep every method of every type: two megabytes on each host.
type flagSet struct {
	about string
	list  []*oneFlag
	names map[string]*oneFlag
}

// oneFlag is one flag of a flagSet.
type oneFlag struct {
	name, help string
	initial    string // what it is when nobody sets it, as text
	env        string // the variable that sets it when no flag does
	boolean    bool
	many       bool               // may be given more than once
	set        func(string) error // the error says what is wanted
	given      *bool
}

// asked is what the user wants to read instead of running the program.
type asked int

const (
	askedNothing asked = iota
	askedHelp
	askedVersion
)

func newFlagSet(about string) *flagSet {
	return &flagSet{about: about, names: map[string]*oneFlag{}}
}

// add adds a flag and sets its initial value, which must be one that it takes. Two flags of one name are a mistake of the program.
func (s *flagSet) add(f *oneFlag) *oneFlag {
	if s.names[f.name] != nil {
		panic("flag " + f.name + " is declared twice")
	}
	if f.given == nil {
		f.given = new(bool)
	}
	if err := f.set(f.initial); err != nil {
		panic("flag " + f.name + ": " + err.Error())
	}
	s.list, s.names[f.name] = append(s.list, f), f
	return f
}

func (s *flagSet) text(v *string, name, initial, help string) *oneFlag {
	return s.add(&oneFlag{name: name, help: help, initial: initial, set: func(t string) error { *v = t; return nil }})
}

func (s *flagSet) boolean(v *bool, name string, initial bool, help string) *oneFlag {
	return s.add(&oneFlag{name: name, help: help, initial: strconv.FormatBool(initial), boolean: true, set: func(t string) (err error) {
		if *v, err = strconv.ParseBool(t); err != nil {
			return fmt.Errorf("true or false")
		}
		return nil
	}})
}

func (s *flagSet) number(v *int, name string, initial int, help string) *oneFlag {
	return s.add(&oneFlag{name: name, help: help, initial: strconv.Itoa(initial), set: func(t string) (err error) {
		if *v, err = strconv.Atoi(t); err != nil {
			return fmt.Errorf("a whole number")
		}
		return nil
	}})
}

func (s *flagSet) duration(v *time.Duration, name string, initial time.Duration, help string) *oneFlag {
	return s.add(&oneFlag{name: name, help: help, initial: initial.String(), set: func(t string) (err error) {
		if *v, err = time.ParseDuration(t); err != nil {
			return fmt.Errorf("a duration like 500ms or 5s")
		}
		return nil
	}})
}

// texts is a flag that may be given more than once; the first one takes the place of initial.
func (s *flagSet) texts(v *[]string, name, initial, help string) *oneFlag {
	*v = []string{initial}
	var f *oneFlag
	f = &oneFlag{name: name, help: help, initial: initial, many: true, set: func(t string) error {
		if f.given == nil || !*f.given {
			*v = nil
		}
		*v = append(*v, t)
		return nil
	}}
	return s.add(f)
}

// oneOf is a flag with a few values; take gets the one that was chosen.
func (s *flagSet) oneOf(take func(string) error, name, initial string, allowed []string, help string) *oneFlag {
	return s.add(&oneFlag{name: name, help: help + " One of " + strings.Join(allowed, ", ") + ".", initial: initial, set: func(t string) error {
		if !slices.Contains(allowed, t) {
			return fmt.Errorf("one of %s", strings.Join(allowed, ", "))
		}
		return take(t)
	}})
}

// parse sets the flags that args names. An error is one sentence; unknownFlag is one of them.
func (s *flagSet) parse(args []string) (asked, error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "-h" || arg == "--help":
			return askedHelp, nil
		case arg == "--version":
			return askedVersion, nil
		case !strings.HasPrefix(arg, "--") || arg == "--":
			return 0, fmt.Errorf("unexpected %q", arg)
		}
		name, value, hasValue := strings.Cut(arg[2:], "=")
		f, no := s.names[name], false
		if positive, ok := strings.CutPrefix(name, "no-"); ok && f == nil && s.names[positive] != nil && s.names[positive].boolean {
			f, no = s.names[positive], true
		}
		switch {
		case f == nil:
			return 0, unknownFlag("--" + name)
		case *f.given && !f.many:
			return 0, fmt.Errorf("--%s: given twice", f.name)
		case no && hasValue:
			return 0, fmt.Errorf("--%s: got %q, want no value", name, value)
		case f.boolean && !hasValue:
			value = strconv.FormatBool(!no)
		case !hasValue && (len(args) == 0 || strings.HasPrefix(args[0], "--")):
			return 0, fmt.Errorf("--%s: want a value, as in --%s=%s", name, name, f.initial)
		case !hasValue:
			value, args = args[0], args[1:]
		}
		if err := f.take(value, "--"+f.name); err != nil {
			return 0, err
		}
	}
	return 0, s.fromEnvironment()
}

func (s *flagSet) fromEnvironment() error {
	for _, f := range s.list {
		if v := os.Getenv(f.env); f.env != "" && v != "" && !*f.given {
			if err := f.take(v, f.env); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *oneFlag) take(value, from string) error {
	if err := f.set(value); err != nil {
		return fmt.Errorf("%s: got %q, want %w", from, value, err)
	}
	*f.given = true
	return nil
}

// unknownFlag is the error for a flag that does not exist: its name with the dashes.
type unknownFlag string

func (u unknownFlag) Error() string { return fmt.Sprintf("unknown long flag '%s'", string(u)) }

// usage is the text of --help.
func (s *flagSet) usage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "usage: %s [<flags>]\n\n%s\n\nFlags:\n", name, s.about)
	write := func(flag, help string) {
		fmt.Fprintf(&b, "  %s\n", flag)
		line := "     "
		for word := range strings.FieldsSeq(help) {
			if len(line)+1+len(word) > 100 {
				fmt.Fprintln(&b, line)
				line = "     "
			}
			line += " " + word
		}
		fmt.Fprintln(&b, line)
	}
	write("-h, --help", "Print this text.")
	write("--version", "Print the version.")
	for _, f := range s.list {
		head := fmt.Sprintf("--%s=%q", f.name, f.initial)
		if f.boolean {
			head = "--[no-]" + f.name
		}
		if f.many {
			head += " ..."
		}
		help := f.help
		if f.boolean && f.initial == "true" {
			help += " On by default."
		}
		if f.env != "" {
			help += " ($" + f.env + ")"
		}
		write(head, help)
	}
	return strings.TrimRight(b.String(), "\n")
}
