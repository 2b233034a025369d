package web

import (
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// nobody is a bcrypt hash of the usual cost that no password was chosen for: comparing with it takes as long for a user that does not exist.
const nobody = "$2a$10$qzT2wIM2ynhTNgikiS1ZguCcF9V6W5EZhUhdEVasoWOeVm2jItZTa"

// maxKnown is how many answers to passwords are kept, right and wrong ones.
const maxKnown = 128

// guard asks for passwords, adds headers and limits the rate before it hands a request on.
type guard struct {
	file *file
	next http.Handler
	rate *limiter // nil: no limit

	unknown string // what a password is compared with when there is no such user

	salt  [32]byte
	mu    sync.Mutex
	known map[[sha256.Size]byte]bool
	one   sync.Mutex // one comparison at a time: each takes a core for tens of milliseconds
}

func newGuard(path string, next http.Handler, log *slog.Logger) (*guard, error) {
	g := &guard{file: &file{path: path, log: log}, next: next, unknown: nobody, known: map[[sha256.Size]byte]bool{}}
	if _, err := rand.Read(g.salt[:]); err != nil {
		return nil, err
	}
	c, err := g.file.current()
	if err != nil {
		return nil, err
	}
	if c.Rate.Interval > 0 {
		g.rate = &limiter{interval: c.Rate.Interval, burst: c.Rate.Burst, now: time.Now}
	}
	return g, nil
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := g.file.current()
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	if g.rate != nil && !g.rate.allow() {
		http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
		return
	}
	for name, value := range c.HTTP.Headers {
		w.Header().Set(name, value)
	}
	if len(c.Users) > 0 {
		user, password, given := r.BasicAuth()
		if !given || !g.right(c.Users, user, password) {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
			return
		}
	}
	g.next.ServeHTTP(w, r)
}

// right tells whether password is that of user. What was asked before is known, by a salted sum that gives neither back.
func (g *guard) right(users map[string]string, user, password string) bool {
	hash, exists := users[user]
	if !exists {
		hash = g.unknown
	}
	sum := sha256.New()
	sum.Write(g.salt[:])
	for _, part := range []string{user, hash, password} {
		one := sha256.Sum256([]byte(part))
		sum.Write(one[:])
	}
	key := [sha256.Size]byte(sum.Sum(nil))
	g.mu.Lock()
	right, known := g.known[key]
	g.mu.Unlock()
	if known {
		return right && exists
	}
	g.one.Lock()
	right = bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
	g.one.Unlock()
	g.mu.Lock()
	if len(g.known) >= maxKnown {
		for k := range g.known { // any one
			delete(g.known, k)
			break
		}
	}
	g.known[key] = right
	g.mu.Unlock()
	return right && exists
}

// limiter lets burst requests through at once, and one more after each interval.
type limiter struct {
	interval time.Duration
	burst    int
	now      func() time.Time

	mu   sync.Mutex
	full time.Time // when all of burst will be there again
}

func (l *limiter) allow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	next := l.full
	if next.Before(now) {
		next = now
	}
	next = next.Add(l.interval)
	if next.Sub(now) > time.Duration(l.burst)*l.interval {
		return false
	}
	l.full = next
	return true
}
