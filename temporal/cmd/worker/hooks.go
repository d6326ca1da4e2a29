package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

const (
	// healthPatience is the limit of one health request.
	healthPatience = 5 * time.Second
	// hookPatience is the limit of one run of a command.
	hookPatience = 30 * time.Second
)

// health is what -health-url and -health-cmd ask for, or nil; of both, both.
func (s *settings) health() func(context.Context, fleet.Target) error {
	var checks []func(context.Context, fleet.Target) error
	if s.healthURL != "" {
		checks = append(checks, urlCheck(s.healthURL))
	}
	if s.healthCmd != "" {
		checks = append(checks, func(ctx context.Context, t fleet.Target) error { return command(ctx, s.healthCmd, t, nil) })
	}
	if len(checks) == 0 {
		return nil
	}
	return func(ctx context.Context, t fleet.Target) error {
		for _, check := range checks {
			if err := check(ctx, t); err != nil {
				return err
			}
		}
		return nil
	}
}

// blocker is what -blocker-cmd asks for, or nil.
func (s *settings) blocker() func(context.Context, fleet.Target) error {
	if s.blockerCmd == "" {
		return nil
	}
	return func(ctx context.Context, t fleet.Target) error { return command(ctx, s.blockerCmd, t, nil) }
}

// notify hands a notice to -notify-cmd, or is nil.
func (s *settings) notify() func(context.Context, ecstemporal.Notice) error {
	if s.notifyCmd == "" {
		return nil
	}
	return func(ctx context.Context, notice ecstemporal.Notice) error {
		text, err := json.Marshal(notice)
		if err != nil {
			return err
		}
		return command(ctx, s.notifyCmd, fleet.Target{ID: notice.Event.InstanceID}, append(text, '\n'))
	}
}

// checkHealthURL refuses what no instance could ever answer.
func checkHealthURL(template string) error {
	filled := expand(template, fleet.Target{ID: "i", Name: "n", Zone: "z", Group: "g"})
	if strings.ContainsAny(filled, "{}") {
		return cmdline.Errorf("-health-url %s: filled in are {id}, {name}, {zone} and {group}, and nothing else", template)
	}
	parsed, err := url.Parse(filled)
	switch {
	case err != nil:
		return cmdline.Errorf("-health-url: %v", err)
	case parsed.Scheme != "http" && parsed.Scheme != "https", parsed.Hostname() == "":
		return cmdline.Errorf("-health-url %s: it begins with http:// or https:// and a host", template)
	}
	return nil
}

// expand fills an instance into a template.
func expand(template string, t fleet.Target) string {
	return strings.NewReplacer(
		"{id}", url.PathEscape(t.ID), "{name}", url.PathEscape(t.Name),
		"{zone}", url.PathEscape(t.Zone), "{group}", url.PathEscape(t.Group),
	).Replace(template)
}

// urlCheck is content with an answer of 2xx. It follows no redirects: a page to log
// in at says nothing of the instance.
func urlCheck(template string) func(context.Context, fleet.Target) error {
	client := &http.Client{
		Timeout:       healthPatience,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}, // a restarted instance knows no old connection
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, t fleet.Target) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, expand(template, t), http.NoBody)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close() //nolint:errcheck // only read
		const enough = 64 << 10
		_, _ = io.CopyN(io.Discard, response.Body, enough)
		if response.StatusCode < 200 || response.StatusCode > 299 {
			return fmt.Errorf("%s answered %s", request.URL.Redacted(), response.Status)
		}
		return nil
	}
}

// command runs a shell command, and is content with exit code 0.
func command(ctx context.Context, line string, t fleet.Target, stdin []byte) error {
	ctx, cancel := context.WithTimeout(ctx, hookPatience)
	defer cancel()
	shell, option := "sh", "-c"
	if runtime.GOOS == "windows" {
		shell, option = "cmd", "/c"
	}
	cmd := exec.CommandContext(ctx, shell, option, line) //nolint:gosec // it is the user's
	cmd.WaitDelay = time.Second                          // for what it may have left behind
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.Env = append(os.Environ(),
		"INSTANCE_ID="+t.ID, "INSTANCE_NAME="+t.Name, "INSTANCE_ZONE="+t.Zone, "INSTANCE_GROUP="+t.Group)
	output, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	}
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return fmt.Errorf("%w: %s", err, last)
	}
	return err
}
