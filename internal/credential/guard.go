package credential

import (
	"context"
	"reflect"
	"runtime"
	"sync"
	"time"
	"weak"

	"github.com/aliyun/credentials-go/credentials"

	"github.com/ecsreboot/ecsreboot/internal/apart"
)

// guard calls one credential: one goroutine at a time, for which everybody waits under
// a context of their own.
type guard struct {
	mu        sync.Mutex // never held across a wait
	current   *call      // the fetch under way
	last      *Secrets   // handed out last; a later error can be cleaned of them
	stale     bool       // the next fetch reads the default chain anew
	renewedAt time.Time  // when that was asked for last

	credential credentials.Credential // nil: the default chain
	chain      *chain                 // once it has answered; belongs to the fetch under way
}

// renewPause is how often refused credentials are read anew at most.
const renewPause = time.Minute

// call is one fetch. keys and err are set before done is closed.
type call struct {
	done   chan struct{}
	renews bool
	keys   *Secrets
	err    error
}

// get joins the fetch under way or starts one. A fetch whose callers have all
// left finishes alone, and whoever comes meanwhile joins it: there is never more
// than one.
func (g *guard) get(ctx context.Context) (*Secrets, error) {
	if ctx.Err() != nil {
		return nil, waitError(ctx)
	}
	g.mu.Lock()
	c := g.current
	if c == nil {
		c = &call{done: make(chan struct{}), renews: g.stale}
		g.current = c
		apart.Go(func() (err error) {
			c.keys, err = g.fetch(c.renews)
			return err
		}, func(end apart.Ending[error]) { g.finish(c, end) })
	}
	g.mu.Unlock()
	select {
	case <-c.done:
		return c.keys, c.err
	case <-ctx.Done():
		return nil, waitError(ctx)
	}
}

// renew has the default chain read anew after the service refused keys, and reports
// whether a retry would fare differently: with other keys, or with the error of the
// reading. Calls that are refused at the same time share one renewal. The chain reads
// the source that it has used from the beginning, and no other one: whom the client
// acts as changes only by what that source says.
func (g *guard) renew(ctx context.Context, refused Secrets) bool {
	g.mu.Lock()
	switch {
	case g.credential != nil: // the caller's, who renews it
		g.mu.Unlock()
		return false
	case g.last != nil && !g.last.Same(refused):
		g.mu.Unlock()
		return true // somebody else's renewal, or the source's own
	case g.stale: // join it
	case !g.renewedAt.IsZero() && time.Since(g.renewedAt) < renewPause:
		g.mu.Unlock()
		return false
	default:
		g.stale, g.renewedAt = true, time.Now()
	}
	earlier := g.current
	g.mu.Unlock()
	if earlier != nil && !earlier.renews {
		select { // it may still return the refused keys
		case <-earlier.done:
		case <-ctx.Done():
			return false
		}
	}
	keys, err := g.get(ctx)
	return err != nil || !keys.Same(refused)
}

// finish ends a fetch, however it ended.
func (g *guard) finish(c *call, end apart.Ending[error]) {
	if c.err = end.Value; end.Exited {
		c.err = panicError(end.Panicked)
	}
	g.mu.Lock()
	g.current = nil
	if c.err == nil {
		g.last = c.keys
	}
	if c.renews {
		g.stale = false
	}
	g.mu.Unlock()
	close(c.done)
}

// fetch asks the credential once. A default chain is kept once it has answered. From
// then on it is never replaced, lest a failure change whom the client acts as: what it
// has read may be dropped, and then it reads the same source again.
func (g *guard) fetch(renew bool) (*Secrets, error) {
	asked, defaults := g.credential, g.chain
	if asked == nil {
		if defaults == nil {
			defaults = new(chain)
		}
		if renew {
			defaults.forget()
		}
		asked = credentials.FromCredentialsProvider("default", defaults)
	}
	model, err := asked.GetCredential()
	if err != nil {
		return nil, fetchError(err, g.last)
	}
	keys, problem := keysOf(model)
	if problem != "" {
		if defaults != nil {
			defaults.forget()
		}
		return nil, &Error{text: "what the provider returned " + problem}
	}
	if defaults != nil {
		g.chain = defaults
	}
	if defaults != nil || isProfile(asked) {
		keys.source = deref(model.ProviderName)
	}
	return keys, nil
}

// isProfile reports whether a credential is one of [OfProfile], which names its source as
// the default chain does.
func isProfile(c credentials.Credential) bool {
	provider, _ := innerProvider(c)
	return provider.IsValid() && provider.Type() == reflect.TypeFor[*chain]()
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
//
// The pointer is reflected because the registry must not hold it: as a key of the map,
// it would keep the credential alive for ever.
func guardOf(c credentials.Credential) *guard {
	v := reflect.ValueOf(c)
	if provider, _ := innerProvider(c); provider.IsValid() && provider.Kind() == reflect.Pointer && !provider.IsNil() {
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
