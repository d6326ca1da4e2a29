package simulation

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/aliyun/credentials-go/credentials"

	"github.com/ecsreboot/ecsreboot"
)

// All secrets of a world begin with one word, in whatever form they are shown.
const canary = "kAnArIeN"

func keyOf(n int) string    { return fmt.Sprintf("LTAI5tKEY%011d", n) }
func secretOf(n int) string { return fmt.Sprintf(canary+"/sEcReT+%dx0a1b2c3d4e=", n) }
func tokenOf(n int) string  { return fmt.Sprintf(canary+"+tOkEn/%dZz9y8x7w6v5u==+", n) }

// keys are the credentials of a world: those of now, and those before.
type keys struct {
	mu      sync.Mutex
	n       int
	rotated time.Time
}

func (k *keys) rotate() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.n++
	k.rotated = time.Now()
	return k.n
}

// credential is the source of a client's credentials. It has new ones late, and fails.
type credential struct {
	credentials.Credential

	keys   *keys
	late   time.Duration
	fails  int
	mu     sync.Mutex
	random *rand.Rand
}

func (*credential) GetType() *string { return new("simulated") }

func (c *credential) GetCredential() (*credentials.CredentialModel, error) {
	c.mu.Lock()
	failed, which := c.random.IntN(100) < c.fails, c.random.IntN(3)
	c.mu.Unlock()
	if failed {
		switch which {
		case 0:
			return nil, errors.New("dial tcp 100.100.100.200:80: i/o timeout")
		case 1:
			time.Sleep(45 * time.Second)
		default:
			return nil, errors.New("dial tcp: lookup sts: no such host; secret " + secretOf(0))
		}
	}
	c.keys.mu.Lock()
	defer c.keys.mu.Unlock()
	n := c.keys.n
	if n > 0 && time.Since(c.keys.rotated) < c.late {
		n--
	}
	return &credentials.CredentialModel{AccessKeyId: new(keyOf(n)), AccessKeySecret: new(secretOf(n)), SecurityToken: new(tokenOf(n))}, nil
}

// texts collect what is shown to people: errors, logs, events, reports.
type texts struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (t *texts) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.Write(p)
}

// show adds what is to be printed, in the forms in which programs print it.
func (t *texts) show(v any) {
	encoded, _ := json.Marshal(v)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all.Write(encoded)
	switch v.(type) {
	case error, ecsreboot.Event, *ecsreboot.RestartResult:
		fmt.Fprintf(&t.all, "\n%v\n%+v\n", v, v)
	}
}

// logger logs everything.
func (t *texts) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(t, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// leaked returns what stands around a secret, or "".
func (t *texts) leaked() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.ToLower(t.all.String())
	for _, form := range canaryForms {
		if at := strings.Index(text, form); at >= 0 {
			return text[max(0, at-100):min(len(text), at+100)]
		}
	}
	return ""
}

// canaryForms are the word in lower case, plain and as each alignment encodes it.
var canaryForms = func() []string {
	forms := []string{strings.ToLower(canary)}
	for before := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + canary))
		// The characters that no neighbour has a part of.
		forms = append(forms, strings.ToLower(encoded[(8*before+5)/6:8*(before+len(canary))/6]))
	}
	return forms
}()
