package credential

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"time"

	"github.com/aliyun/credentials-go/credentials/providers"
)

const (
	commandLimit = 60 * time.Second  // as credentials-go has it
	expiryMargin = 180 * time.Second // likewise
	maxStdout    = 64 << 10
	maxStderr    = 512
	pipesLimit   = 2 * time.Second
)

// external runs the command of an External profile. Unlike credentials-go's provider it
// prints nothing and writes no file: what the command said is in memory alone.
type external struct {
	args    []string
	limit   time.Duration
	pipes   time.Duration // how long processes that it left may keep its output open
	keys    *providers.Credentials
	expires time.Time // zero: unknown, so the command runs for each call
}

func newExternal(command string) (*external, error) {
	args, err := splitCommand(command, isWindows)
	if err != nil {
		return nil, err
	}
	return &external{args: args, limit: commandLimit, pipes: pipesLimit}, nil
}

// GetProviderName returns "external".
func (*external) GetProviderName() string { return "external" }

// GetCredentials returns what the command said, which runs again three minutes before
// that expires, or at each call if it does not say when.
func (e *external) GetCredentials() (*providers.Credentials, error) {
	if e.keys == nil || time.Until(e.expires) <= expiryMargin {
		keys, expires, err := e.run()
		if err != nil {
			return nil, err
		}
		e.keys, e.expires = keys, expires
	}
	return e.keys, nil
}

func (e *external) run() (*providers.Credentials, time.Time, error) {
	ctx, cancel := context.WithTimeout(context.Background(), e.limit)
	defer cancel()
	stdout, stderr := &bounded{limit: maxStdout}, &bounded{limit: maxStderr}
	cmd := exec.CommandContext(ctx, e.args[0], e.args[1:]...) //nolint:gosec // the command that the user configured
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = e.pipes
	killGroup(cmd)
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, time.Time{}, unfinished("its command did not end within %v%s", e.limit, stderr.said())
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return nil, time.Time{}, problem("its command failed: %v%s", err, stderr.said())
	case stdout.over:
		return nil, time.Time{}, problem("its command printed more than %d bytes", maxStdout)
	}
	var answer struct {
		Mode       string `json:"mode"`
		KeyID      string `json:"access_key_id"`
		KeySecret  string `json:"access_key_secret"`
		Token      string `json:"sts_token"`
		Expiration string `json:"expiration"`
	}
	switch err := json.Unmarshal(bytes.TrimPrefix(stdout.data, byteOrderMark), &answer); {
	case err != nil: // which may quote it
		return nil, time.Time{}, problem("its command printed something else than one JSON object; hints belong on standard error%s", stderr.said())
	case answer.KeyID == "" || answer.KeySecret == "":
		return nil, time.Time{}, problem("what its command printed lacks access_key_id or access_key_secret%s", stderr.said())
	case answer.Mode == "StsToken" && answer.Token == "":
		return nil, time.Time{}, problem("what its command printed lacks sts_token%s", stderr.said())
	}
	keys := &providers.Credentials{AccessKeyId: answer.KeyID, AccessKeySecret: answer.KeySecret, SecurityToken: answer.Token}
	expires, err := time.Parse(time.RFC3339, answer.Expiration)
	if err != nil {
		expires = time.Time{} // also what credentials-go makes of it
	}
	return keys, expires, nil
}

// bounded keeps the first bytes of what is written to it.
type bounded struct {
	data  []byte
	limit int
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	fits := min(len(p), b.limit-len(b.data))
	b.data = append(b.data, p[:fits]...)
	b.over = b.over || fits < len(p)
	return len(p), nil
}

// said is the command's standard error, for the end of a text.
func (b *bounded) said() string {
	text := bytes.TrimSpace(b.data)
	if len(text) == 0 {
		return ""
	}
	return "; its standard error: " + string(text)
}
