package credential

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/aliyun/credentials-go/credentials/providers"
)

// cleanEnvironment takes away whatever the default chain would find on this
// machine, the metadata service included.
func cleanEnvironment(tb testing.TB) {
	tb.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") || name == "DEBUG" {
			tb.Setenv(name, "") // so that it is restored
			os.Unsetenv(name)
		}
	}
	tb.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
	home := tb.TempDir()
	tb.Setenv("HOME", home)
	tb.Setenv("USERPROFILE", home)
}

// uriServer answers a credentials URI with a numbered triple that is so close to
// its end that credentials-go fetches again on every call.
func uriServer(tb testing.TB, delay time.Duration) (address string, fetches *atomic.Int64) {
	tb.Helper()
	fetches = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := fetches.Add(1)
		time.Sleep(delay)
		fmt.Fprintf(w, `{"AccessKeyId":"AK-%d","AccessKeySecret":"SK-%d","SecurityToken":"ST-%d","Expiration":%q}`,
			n, n, n, time.Now().Add(170*time.Second).UTC().Format(time.RFC3339))
	}))
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL, fetches
}

func consistent(keys Secrets) bool {
	n, ok := strings.CutPrefix(keys.accessKeyID, "AK-")
	return ok && keys.accessKeySecret == "SK-"+n && keys.securityToken == "ST-"+n
}

// finished waits for the fetch under way, if there is one.
func finished(tb testing.TB, g *guard) {
	tb.Helper()
	g.mu.Lock()
	c := g.current
	g.mu.Unlock()
	if c == nil {
		return
	}
	select {
	case <-c.done:
	case <-time.After(10 * time.Second):
		tb.Fatal("the fetch goes on")
	}
}

func TestOneCredentialInManyClients(t *testing.T) {
	cleanEnvironment(t)
	address, fetches := uriServer(t, 2*time.Millisecond)
	c := mustCredential(t, &credentials.Config{Type: new("credentials_uri"), Url: &address})
	const sources, goroutines, rounds = 4, 16, 10
	var wg sync.WaitGroup
	for range sources {
		s := mustSupply(t, c)
		for range goroutines {
			wg.Go(func() {
				for range rounds {
					keys, err := s.get(t.Context())
					if err != nil || !consistent(*keys) {
						t.Errorf("got %v and %v", keys, err)
					}
				}
			})
		}
	}
	wg.Wait()
	const calls = sources * goroutines * rounds
	if n := fetches.Load(); n > calls/4 {
		t.Errorf("%d calls made %d fetches", calls, n)
	}
}

func TestDefaultChainFirstUse(t *testing.T) {
	cleanEnvironment(t)
	address, fetches := uriServer(t, 2*time.Millisecond)
	t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", address)
	for range 5 {
		s := mustSupply(t, nil)
		before := fetches.Load()
		start := make(chan struct{})
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				<-start
				keys, err := s.get(t.Context())
				if err != nil || !consistent(*keys) {
					t.Errorf("got %v and %v", keys, err)
				}
			})
		}
		close(start)
		wg.Wait()
		if n := fetches.Load() - before; n > 32 {
			t.Errorf("64 first calls made %d fetches", n)
		}
	}
}

func TestDefaultChainIsBuiltLate(t *testing.T) {
	cleanEnvironment(t)
	s := mustSupply(t, nil)
	_, err := s.get(t.Context())
	if e := wantCredentialError(t, err); e.temporary || !strings.Contains(e.Error(), "environment variables, OIDC") {
		t.Errorf("nothing is configured, got %q", e)
	}

	// The chain itself would go on asking its last provider only.
	address, _ := uriServer(t, 0)
	t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", address)
	if keys := mustGet(t, s); !consistent(keys) {
		t.Errorf("got %v", keys)
	}
}

func TestDefaultChainDoesNotPinUnusableKeys(t *testing.T) {
	cleanEnvironment(t)
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", testKeyID)
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", testSecret+"\n")
	s := mustSupply(t, nil)
	_, err := s.get(t.Context())
	if e := wantCredentialError(t, err); !strings.Contains(e.Error(), "access key secret") {
		t.Errorf("got %q", e)
	}
	os.Unsetenv("ALIBABA_CLOUD_ACCESS_KEY_ID")
	os.Unsetenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET")
	address, _ := uriServer(t, 0)
	t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", address)
	if keys := mustGet(t, s); !consistent(keys) {
		t.Errorf("got %v", keys)
	}
}

func TestDefaultChainKeepsItsIdentity(t *testing.T) {
	cleanEnvironment(t)
	var broken atomic.Bool
	address, _ := uriServer(t, 0)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() {
			http.Error(w, "503 Service Unavailable", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, address, http.StatusFound)
	}))
	defer front.Close()
	t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", front.URL)
	s := mustSupply(t, nil)
	mustGet(t, s)

	// A chain built now would find this key first.
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "AK-other")
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", testSecret)
	if keys := mustGet(t, s); !consistent(keys) {
		t.Fatalf("the client has changed its identity: %v", keys)
	}
	broken.Store(true)
	keys, err := s.get(t.Context())
	if e := wantCredentialError(t, err); !e.temporary || keys != nil {
		t.Fatalf("got %v and %q", keys, e)
	}
	broken.Store(false)
	if keys := mustGet(t, s); !consistent(keys) {
		t.Fatalf("the failure has changed the client's identity: %v", keys)
	}
}

func TestSilentServer(t *testing.T) {
	cleanEnvironment(t)
	var fetches atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fetches.Add(1)
		<-r.Context().Done()
	}))
	defer server.Close()
	s := mustSupply(t, mustCredential(t, &credentials.Config{Type: new("credentials_uri"), Url: &server.URL}))
	for range 2 { // the second joins the fetch that the first has left
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		start := time.Now()
		_, err := s.get(ctx)
		cancel()
		if e := wantCredentialError(t, err); !e.temporary || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, temporary %v", err, e.temporary)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("waited %v", d)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); fetches.Load() == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	server.CloseClientConnections()
	finished(t, s.guard)
	if n := fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestSilentProviderNamedAccessKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := mustSupply(t, credentials.FromCredentialsProvider("access_key", &fakeProvider{fetch: func() (*providers.Credentials, error) {
			<-release
			return nil, errors.New("too late")
		}}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := s.get(ctx)
		wantCredentialError(t, err)
		if d := time.Since(start); d != time.Minute || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v after %v", err, d)
		}
		close(release)
		synctest.Wait()
	})
}

// A fetch has a limit of its own, which is not the end of the caller's context.
func TestFetchHasALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := mustSupply(t, &fakeCredential{fetch: func() (*credentials.CredentialModel, error) {
			<-release
			return keyModel(testKeyID, testSecret, ""), nil
		}})
		_, err := s.Get(t.Context(), time.Minute)
		if e := wantCredentialError(t, err); !e.Temporary() || e.Ended() || e.Error() != "credentials: none within 1m0s" || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, temporary %v", err, e.Temporary())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = s.Get(ctx, time.Minute)
		if e := wantCredentialError(t, err); !e.Temporary() || !e.Ended() || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, temporary %v", err, e.Temporary())
		}
		close(release)
		synctest.Wait()
		if keys, err := s.Get(t.Context(), time.Minute); err != nil || keys.AccessKeyID() != testKeyID || keys.AccessKeySecret() != testSecret {
			t.Errorf("got %v and %v", keys, err)
		}
	})
}

func TestOneWaiterLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		fetches := 0
		s := mustSupply(t, &fakeCredential{fetch: func() (*credentials.CredentialModel, error) {
			fetches++
			<-release
			return keyModel(testKeyID, testSecret, ""), nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		var left, stayed atomic.Int64
		for range 3 { // whoever starts the fetch may leave as well
			go func() {
				if _, err := s.get(ctx); errors.Is(err, context.Canceled) && errors.Is(err, ErrCredentials) {
					left.Add(1)
				}
			}()
			synctest.Wait()
			go func() {
				if keys, err := s.get(t.Context()); err == nil && keys.accessKeyID == testKeyID {
					stayed.Add(1)
				}
			}()
			synctest.Wait()
		}
		cancel()
		synctest.Wait()
		if left.Load() != 3 || stayed.Load() != 0 {
			t.Fatalf("%d left, %d were answered", left.Load(), stayed.Load())
		}
		close(release)
		synctest.Wait()
		if stayed.Load() != 3 || fetches != 1 {
			t.Errorf("%d were answered by %d fetches", stayed.Load(), fetches)
		}
	})
}

func TestAbandonedFetchIsJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var fetches atomic.Int64
		s := mustSupply(t, &fakeCredential{fetch: func() (*credentials.CredentialModel, error) {
			n := fetches.Add(1)
			<-release
			return keyModel(fmt.Sprintf("AK-%d", n), fmt.Sprintf("SK-%d", n), fmt.Sprintf("ST-%d", n)), nil
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { close(release) })
		if keys := mustGet(t, s); keys.accessKeyID != "AK-1" {
			t.Errorf("got %v: the abandoned fetch was not joined", keys)
		}
		if keys := mustGet(t, s); keys.accessKeyID != "AK-2" {
			t.Errorf("got %v: a finished fetch was joined", keys)
		}
	})
}

func TestNothingIsFetchedForADoneContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetches := 0
		s := mustSupply(t, &fakeCredential{fetch: func() (*credentials.CredentialModel, error) {
			fetches++
			return keyModel(testKeyID, testSecret, ""), nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.get(ctx)
		wantCredentialError(t, err)
		synctest.Wait()
		if fetches != 0 {
			t.Errorf("%d fetches", fetches)
		}
	})
}

// runtimeLikeError is not the runtime's own, whatever it says.
type runtimeLikeError struct{ text string }

func (e runtimeLikeError) Error() string { return e.text }
func (e runtimeLikeError) RuntimeError() {}

type panickingError struct{}

func (*panickingError) Error() string { panic("in Error: " + testSecret) }

func TestProviderMisbehaves(t *testing.T) {
	var none []int
	transport := http.NewFileTransport(http.Dir("."))
	for name, test := range map[string]struct {
		fetch func() (*credentials.CredentialModel, error)
		says  string
	}{
		"text":         {func() (*credentials.CredentialModel, error) { panic(testSecret) }, "of type string"},
		"error":        {func() (*credentials.CredentialModel, error) { panic(errors.New(testSecret)) }, "of type *errors.errorString"},
		"model":        {func() (*credentials.CredentialModel, error) { panic(keyModel(testKeyID, testSecret, "")) }, "of type *credentials.CredentialModel"},
		"nil":          {func() (*credentials.CredentialModel, error) { panic(nil) }, "PanicNilError"}, //nolint:govet // what a provider may do,
		"runtime's":    {func() (*credentials.CredentialModel, error) { _ = none[len(testSecret)]; return nil, nil }, "index out of range"},
		"channel":      {func() (*credentials.CredentialModel, error) { close((chan int)(nil)); return nil, nil }, "close of nil channel"},
		"division":     {func() (*credentials.CredentialModel, error) { return nil, fmt.Errorf("%d", 1/len(none)) }, "divide by zero"},
		"conversion":   {func() (*credentials.CredentialModel, error) { _ = transport.(*http.Transport); return nil, nil }, "not *http.Transport"},
		"like runtime": {func() (*credentials.CredentialModel, error) { panic(runtimeLikeError{testSecret}) }, "of type credential.runtimeLike"},
		"Goexit":       {func() (*credentials.CredentialModel, error) { runtime.Goexit(); return nil, nil }, "ended its goroutine"},
		"error's text": {func() (*credentials.CredentialModel, error) { return nil, &panickingError{} }, "of type string"},
		"nil provider": {func() (*credentials.CredentialModel, error) { return (*fakeCredential)(nil).GetCredential() }, "nil pointer dereference"},
	} {
		t.Run(name, func(t *testing.T) {
			misbehave := true
			s := mustSupply(t, &fakeCredential{fetch: func() (*credentials.CredentialModel, error) {
				if misbehave {
					return test.fetch()
				}
				return keyModel(testKeyID, testSecret, ""), nil
			}})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			keys, err := s.get(ctx)
			e := wantCredentialError(t, err)
			if e.temporary || keys != nil || !strings.Contains(e.Error(), test.says) || strings.Contains(e.Error(), testSecret) {
				t.Errorf("got %v and %q, want it to say %q", keys, e, test.says)
			}
			misbehave = false
			if keys := mustGet(t, s); keys.accessKeyID != testKeyID {
				t.Errorf("afterwards: %v", keys)
			}
		})
	}
}

type (
	comparableCredential struct {
		*fakeCredential
		name string
	}
	incomparableCredential struct {
		*fakeCredential
		_ []string // makes it incomparable
	}
	outerCredential struct{ fakeCredential } // its address is its field's
	looseCredential struct {                 // comparable by type, not always by value
		*fakeCredential
		tag any
	}
)

func TestSharedGuard(t *testing.T) {
	one, two := &fakeCredential{}, &fakeCredential{}
	provider, other := &fakeProvider{}, &fakeProvider{}
	outer := &outerCredential{}
	wrapped := credentials.FromCredentialsProvider("x", provider)
	for name, test := range map[string]struct {
		a, b credentials.Credential
		same bool
	}{
		"one pointer":                 {one, one, true},
		"two pointers":                {one, two, false},
		"a value and its first field": {outer, &outer.fakeCredential, false},
		"equal values":                {comparableCredential{one, "a"}, comparableCredential{one, "a"}, true},
		"unequal values":              {comparableCredential{one, "a"}, comparableCredential{one, "b"}, false},
		"incomparable":                {incomparableCredential{fakeCredential: one}, incomparableCredential{fakeCredential: one}, false},
		"incomparable field":          {looseCredential{one, []int{1}}, looseCredential{one, []int{1}}, false},
		"comparable field":            {looseCredential{one, 1}, looseCredential{one, 1}, true},
		"one wrapper":                 {wrapped, wrapped, true},
		"two wrappers, a provider":    {wrapped, credentials.FromCredentialsProvider("y", provider), true},
		"two wrappers, two of them":   {wrapped, credentials.FromCredentialsProvider("x", other), false},
		"default chains":              {nil, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := mustSupply(t, test.a), mustSupply(t, test.b)
			if got := a.guard == b.guard; got != test.same {
				t.Errorf("same guard: %v, want %v", got, test.same)
			}
		})
	}
}

// holder is a credential that leads back to the client it is used by.
type holder struct {
	*fakeCredential
	source *Supply
}

func TestRegistryKeepsNothingAlive(t *testing.T) {
	cleaned := make(chan struct{}, 300)
	for i := range 300 {
		inner := &fakeCredential{fetch: func() (*credentials.CredentialModel, error) { return keyModel(testKeyID, testSecret, ""), nil }}
		runtime.AddCleanup(inner, func(struct{}) { cleaned <- struct{}{} }, struct{}{})
		var c credentials.Credential
		switch i % 3 {
		case 0:
			c = inner
		case 1:
			c = comparableCredential{inner, "a"}
		case 2:
			c = &holder{fakeCredential: inner}
		}
		s := mustSupply(t, c)
		if h, ok := c.(*holder); ok {
			h.source = s
		}
		mustGet(t, s)
	}
	left := func() int {
		guards.mu.Lock()
		defer guards.mu.Unlock()
		return len(guards.entries)
	}
	for deadline := time.Now().Add(20 * time.Second); left() > 0 || len(cleaned) < 300; {
		if time.Now().After(deadline) {
			t.Fatalf("%d guards are registered, %d of 300 credentials are gone", left(), len(cleaned))
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}

func TestRegistryKeepsTheNewerGuard(t *testing.T) {
	c := &fakeCredential{}
	old := guardOf(c)
	var key any
	guards.mu.Lock()
	for k, pointer := range guards.entries {
		if pointer.Value() == old {
			key = k
		}
	}
	delete(guards.entries, key) // as if the old one were gone
	guards.mu.Unlock()
	if key == nil {
		t.Fatal("the guard is not registered")
	}

	newer := guardOf(c)
	guards.forget(key) // the old one's cleanup comes late
	if newer == old || guardOf(c) != newer {
		t.Error("the newer guard was forgotten")
	}
	runtime.KeepAlive(old)
	runtime.KeepAlive(newer)
}

func BenchmarkStatic(b *testing.B) {
	s := mustSupply(b, mustCredential(b, &credentials.Config{
		Type: new("sts"), AccessKeyId: new(testKeyID), AccessKeySecret: new(testSecret), SecurityToken: new(testToken),
	}))
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.get(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGuarded(b *testing.B) {
	model := keyModel(testKeyID, testSecret, testToken)
	s := mustSupply(b, &fakeCredential{fetch: func() (*credentials.CredentialModel, error) { return model, nil }})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.get(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
