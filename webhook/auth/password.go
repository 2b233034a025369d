package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// passwords checks passwords. bcrypt is slow on purpose, so that what was right is remembered (as a keyed hash, for as long as the guard lives),
// and few are computed at a time: guessing must not take the machine away from alerts.
type passwords struct {
	key   [32]byte
	slots chan struct{}
	mu    *sync.Mutex
	right map[[32]byte]bool
}

const (
	// passwordSlots is how many passwords are checked at a time.
	passwordSlots = 2
	// maxRemembered bounds what is remembered; there are fewer people than that.
	maxRemembered = 1000
	// maxPassword is what bcrypt takes; it would refuse longer ones.
	maxPassword = 72
)

// decoy is checked for a name that nobody has, so that the time does not tell whether somebody has it: the hash of a random text, cost 10.
var decoy = []byte("$2a$10$7EqJtq98hPqEX7fNZaFWoOhi5bOKnSVv7JmGcCwDH7YQ7X8p1GJGm")

func newPasswords() passwords {
	p := passwords{slots: make(chan struct{}, passwordSlots), mu: &sync.Mutex{}, right: map[[32]byte]bool{}}
	_, _ = rand.Read(p.key[:]) // never fails
	return p
}

func checkHash(hash []byte) error {
	cost, err := bcrypt.Cost(hash)
	if err != nil {
		return errors.New("the password hash is not one of bcrypt: make one with htpasswd -nBC 12 NAME")
	}
	if cost < 8 || cost > 16 {
		return fmt.Errorf("the password hash has cost %d: want 8 to 16", cost)
	}
	return nil
}

// check reports whether the password is that of the hash.
func (p passwords) check(ctx context.Context, hash []byte, name, password string) (bool, error) {
	if len(password) > maxPassword {
		return false, nil
	}
	if hash == nil {
		hash = decoy
	}
	mac := hmac.New(sha256.New, p.key[:])
	_, _ = fmt.Fprintf(mac, "%d:%s:%d:%s:%s", len(name), name, len(password), password, hash)
	sum := [32]byte(mac.Sum(nil))
	p.mu.Lock()
	known := p.right[sum]
	p.mu.Unlock()
	if known {
		return true, nil
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-p.slots }()
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil {
		return false, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.right) >= maxRemembered {
		clear(p.right)
	}
	p.right[sum] = true
	return true, nil
}
