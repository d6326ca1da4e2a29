package ecsreboot

import (
	"context"
	"reflect"
	"runtime"
	"sync"
	"weak"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/aliyun/credentials-go/credentials/providers"
)

// guard makes one credential safe to share. GetCredential takes no context, may
// block for as long as its provider likes, races with itself and can panic; so
// one goroutine at a time calls it, and everybody waits for that goroutine
// under a context of their own.
type guard struct {
	mu      sync.Mutex // never held across a wait
	current *call      // the fetch under way

	// The rest belongs to the fetch under way.
	credential credentials.Credential // nil: the default chain, not proven yet
	last       *secrets               // known, so that a later error can be cleaned of them
}

// call is one fetch. keys and err are set before done is closed.
type call struct {
	done chan struct{}
	keys *secrets
	err  error
}

// get joins the fetch under way or starts one. A fetch whose callers have all
// left finishes alone, and whoever comes meanwhile joins it: there is never more
// than one.
func (g *guard) get(ctx context.Context) (*secrets, error) {
	if ctx.Err() != nil {
		return nil, waitError(ctx)
	}
	g.mu.Lock()
	c := g.current
	if c == nil {
		c = &call{done: make(chan struct{})}
		g.current = c
		go g.run(c)
	}
	g.mu.Unlock()
	select {
	case <-c.done:
		return c.keys, c.err
	case <-ctx.Done():
		return nil, waitError(ctx)
	}
}

func (g *guard) run(c *call) {
	returned := false
	defer func() {
		if !returned {
			c.err = panicError(recover())
		}
		g.mu.Lock()
		g.current = nil
		g.mu.Unlock()
		close(c.done)
	}()
	c.keys, c.err = g.fetch()
	returned = true
}

// fetch asks the credential once. The default chain clings to whichever
// provider it tried last, even one that failed; so a chain is kept only once it
// has answered. From then on it is never replaced, lest a failed refresh change
// whom the client acts as.
func (g *guard) fetch() (*secrets, error) {
	credential := g.credential
	if credential == nil {
		// As credentials.NewCredential(nil) has it, which links all the other kinds too.
		credential = credentials.FromCredentialsProvider("default", providers.NewDefaultCredentialsProvider())
	}
	model, err := credential.GetCredential()
	if err != nil {
		return nil, fetchError(err, g.last)
	}
	keys, problem := keysOf(model)
	if problem != "" {
		return nil, &credentialError{text: "what the provider returned " + problem}
	}
	g.credential, g.last = credential, keys
	return keys, nil
}

// guards finds the guard of a credential that several clients share. It keeps
// neither alive: a guard lives as long as the clients that use it.
var guards = registry{entries: make(map[any]weak.Pointer[guard])}

type registry struct {
	mu      sync.Mutex
	entries map[any]weak.Pointer[guard]
}

// address identifies what a pointer points to without keeping it alive. It is
// good only beside a live guard, which does keep it alive: until the guard is
// gone, nothing else can come to have this address.
type address struct {
	kind reflect.Type
	at   uintptr
}

// guardOf returns the one guard of c. Two wrappers around one provider share a
// guard as well, since it is the provider that races. A value that can't be
// compared gets a guard of its own.
func guardOf(c credentials.Credential) *guard {
	v := reflect.ValueOf(c)
	if provider, _ := innerProvider(v); provider.IsValid() && provider.Kind() == reflect.Pointer && !provider.IsNil() {
		v = provider
	}
	switch {
	case v.Kind() == reflect.Pointer:
		return guards.find(address{v.Type(), v.Pointer()}, c)
	case v.Comparable():
		return guards.find(c, c)
	}
	return &guard{credential: c}
}

func (r *registry) find(key any, c credentials.Credential) *guard {
	r.mu.Lock()
	defer r.mu.Unlock()
	if g := r.entries[key].Value(); g != nil {
		return g
	}
	g := &guard{credential: c}
	r.entries[key] = weak.Make(g)
	runtime.AddCleanup(g, r.forget, key)
	return g
}

// forget runs after a guard of key is gone. By then key may have a new guard,
// which stays.
func (r *registry) forget(key any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.entries[key].Value() == nil {
		delete(r.entries, key)
	}
}
