// Package notify reports the start, the stages, the halt and the end of a run to a URL
// and to a command. It never delays a run, and no run fails because of it.
//
// A URL gets a POST with a [Message] in JSON. If the host of the URL is hooks.slack.com,
// or the URL has the prefix slack:, as in slack:https://chat.example.com/hooks/T0, it gets
// {"text": …} instead, the form that Slack, Mattermost and Rocket.Chat take. A status code
// of 2xx means that the notification was delivered.
//
// A command runs by the shell of the system and finds the notification in these
// environment variables:
//
//	ECS_EVENT          start, approval, stage, halt or end
//	ECS_RUN            the ID of the run
//	ECS_REGIONS        its regions, separated by commas
//	ECS_INSTANCES      the number of instances in the plan
//	ECS_COUNT_HEALTHY  how many of them are healthy; also ECS_COUNT_RESTARTING, _FAILED,
//	                   _UNKNOWN, _SKIPPED and _WAITING
//	ECS_STAGE          the canary stage, from 1; otherwise 0
//	ECS_REASON         why the run halts, or has ended
//	ECS_ERROR          details
//	ECS_TEXT           the same in a sentence or two
//	ECS_JSON           the Message in JSON; not on Windows
package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/hook"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/shell"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

const (
	attemptTimeout = 10 * time.Second
	retryDelay     = time.Second
	closeTimeout   = 15 * time.Second
	closePatience  = 5 * time.Second // for a message that is not the last
	maxQueue       = 64
)

// Config has the destinations of notifications. Both fields may be empty.
type Config struct{ URL, Command string }

// Sender delivers single messages. It has no state and may be used concurrently.
type Sender struct {
	url       *url.URL // nil: there is none
	shown     string   // the URL as errors show it
	slack     bool
	command   string
	requester *hook.Requester
}

// NewSender checks the URL and the command. It returns nil if there are neither. The error
// is a usage error that names the flag and does not show the path of the URL, which is
// where webhooks have their secret.
func NewSender(config Config) (*Sender, error) {
	if config == (Config{}) {
		return nil, nil //nolint:nilnil // nobody is notified
	}
	s := &Sender{command: config.Command}
	if config.Command != "" && (strings.TrimSpace(config.Command) == "" || strings.ContainsRune(config.Command, 0)) {
		return nil, cmdline.Errorf("invalid --notify-cmd %q", config.Command)
	}
	if config.URL == "" {
		return s, nil
	}
	text, prefixed := strings.CutPrefix(config.URL, "slack:")
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, cmdline.Errorf("invalid --notify-url: want http:// or https:// and a host, optionally with slack: in front")
	}
	if u.Fragment != "" {
		return nil, cmdline.Errorf("invalid --notify-url of %s: a fragment (#) is never sent", u.Host)
	}
	s.url, s.shown = u, u.Scheme+"://"+u.Host+"/…"
	s.slack = prefixed || strings.EqualFold(u.Hostname(), "hooks.slack.com")
	s.requester = hook.NewRequester()
	return s, nil
}

// Send delivers a message to the URL and to the command, and returns when both are done.
// Each may take 10 s. If the URL does not answer, or with a status code of 429 or 5xx,
// Send sends the message once more, and so it does for a command that fails. Workers of
// durable runs call Send from their Notify.
func (s *Sender) Send(ctx context.Context, m Message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	var errs [2]error
	var both sync.WaitGroup
	if s.url != nil {
		both.Go(func() { errs[0] = twice(ctx, func(ctx context.Context) (bool, error) { return s.post(ctx, m, text) }) })
	}
	if s.command != "" {
		both.Go(func() {
			errs[1] = twice(ctx, func(ctx context.Context) (bool, error) {
				if err := shell.Run(ctx, s.command, m.environment(string(text))...); err != nil {
					return true, fmt.Errorf("--notify-cmd: %w", err)
				}
				return false, nil
			})
		})
	}
	both.Wait()
	return errors.Join(errs[:]...)
}

// twice repeats a try that failed once, if the try says that this may help.
func twice(ctx context.Context, try func(context.Context) (again bool, err error)) error {
	limited := func() (bool, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, attemptTimeout, fmt.Errorf("not done within %v", attemptTimeout))
		defer cancel()
		return try(ctx)
	}
	again, err := limited()
	if err == nil || !again {
		return err
	}
	select {
	case <-time.After(retryDelay):
	case <-ctx.Done():
		return err
	}
	_, err = limited()
	return err
}

func (s *Sender) post(ctx context.Context, m Message, text []byte) (again bool, err error) {
	if s.slack {
		if text, err = json.Marshal(map[string]string{"text": slackText.Replace(m.Text)}); err != nil {
			return false, err
		}
	}
	// An error does not quote the body: it may repeat the path.
	switch status, _, err := s.requester.Do(ctx, http.MethodPost, s.url, bytes.NewReader(text)); {
	case status >= 200 && status <= 299:
		return false, nil
	case err != nil:
		return true, fmt.Errorf("POST %s: %w", s.shown, err)
	default:
		return status == http.StatusTooManyRequests || status >= 500, fmt.Errorf("POST %s: %d %s", s.shown, status, http.StatusText(status))
	}
}

// slackText escapes what Slack would take for links and mentions.
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// Notifier reports the events of one run, in a goroutine of its own.
type Notifier struct {
	sender *Sender
	note   func(text string)
	cancel context.CancelFunc
	done   chan struct{} // closed when its goroutine has ended

	mu      sync.Mutex
	track   *tracker
	queue   []Message
	wake    chan struct{} // has room for one
	closing bool
	lost    int // messages that were not delivered
	noted   bool
	drop    context.CancelFunc // gives up the message in delivery, if there is one
	since   time.Time          // when its delivery began
}

// New returns a notifier for a run. The history is that of the journal of a resumed run,
// and of a new run it has the plan only. note gets the first error, and at the end how
// many messages were not delivered if there were more; it is called in another goroutine.
// A nil sender makes a notifier that does nothing.
func New(sender *Sender, run string, history *fleet.History, note func(text string)) *Notifier {
	ctx, cancel := context.WithCancel(context.Background())
	n := &Notifier{
		sender: sender, note: note, cancel: cancel, done: make(chan struct{}),
		track: newTracker(run, history), wake: make(chan struct{}, 1),
	}
	if sender == nil {
		close(n.done)
		return n
	}
	go n.deliver(ctx)
	return n
}

// OnEvent takes an event of the run. It returns at once.
func (n *Notifier) OnEvent(e fleet.Event) {
	if n.sender == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if m, ok := n.track.add(e); ok {
		n.put(m)
	}
}

// AwaitApproval reports that a canary stage waits for approval. It returns at once.
func (n *Notifier) AwaitApproval(stage int) {
	if n.sender == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.track.message(Approval, time.Now())
	m.Stage = stage
	n.put(m.Complete())
}

// put queues a message. If there are too many, the oldest is lost: the last ones matter.
func (n *Notifier) put(m Message) {
	if n.closing {
		return
	}
	n.queue = append(n.queue, m)
	if len(n.queue) > maxQueue {
		n.queue = n.queue[1:]
		n.lost++
	}
	n.signal()
}

func (n *Notifier) signal() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// next returns the next message, and a context for it; ok is false if there is none now.
func (n *Notifier) next(ctx context.Context) (sending context.Context, m Message, ok, closing bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing && n.lost > 0 && len(n.queue) > 1 { // nobody seems to take them: only the last is tried
		n.lost += len(n.queue) - 1
		n.queue = n.queue[len(n.queue)-1:]
	}
	if len(n.queue) == 0 {
		return nil, Message{}, false, n.closing
	}
	m, n.queue = n.queue[0], n.queue[1:]
	sending, n.drop = context.WithCancel(ctx)
	n.since = time.Now()
	return sending, m, true, n.closing
}

// deliver sends the messages in order.
func (n *Notifier) deliver(ctx context.Context) {
	defer close(n.done)
	for {
		sending, m, ok, closing := n.next(ctx)
		switch {
		case ok:
			n.sent(n.sender.Send(sending, m))
			continue
		case closing:
			return
		}
		<-n.wake
	}
}

// sent notes the first error.
func (n *Notifier) sent(err error) {
	n.mu.Lock()
	n.drop()
	n.drop = nil
	first := err != nil && !n.noted
	if err != nil {
		n.lost++
		n.noted = true
	}
	n.mu.Unlock()
	if first && n.note != nil {
		n.note("a notification was not delivered: " + strings.ReplaceAll(err.Error(), "\n", "; "))
	}
}

// Close delivers what is queued, for which it takes 15 s at most. A message that is not
// delivered within 5 s is given up for the sake of the last one, which says how the run
// ended. Call Close after the run has ended. It may be called more than once.
func (n *Notifier) Close() {
	n.mu.Lock()
	first := !n.closing
	n.closing = true
	n.mu.Unlock()
	n.signal()
	n.await()
	n.cancel()
	n.mu.Lock()
	lost := n.lost + len(n.queue)
	n.mu.Unlock()
	if first && lost > 1 && n.note != nil {
		n.note(fmt.Sprintf("%d notifications were not delivered", lost))
	}
}

// await waits until the queue is empty, or closeTimeout is over.
func (n *Notifier) await() {
	limit := time.AfterFunc(closeTimeout, n.cancel)
	defer limit.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		n.hurry()
		select {
		case <-n.done:
			return
		case <-tick.C:
		}
	}
}

// hurry gives up the message in delivery if it takes long and is not the last.
func (n *Notifier) hurry() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.drop != nil && len(n.queue) > 0 && time.Since(n.since) >= closePatience {
		n.drop()
	}
}
