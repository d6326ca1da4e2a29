package main

import (
	"context"
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
)

const (
	// healthPatience is the limit of one health request.
	healthPatience = 5 * time.Second
	// hookPatience is the limit of one run of a command.
	hookPatience = 30 * time.Second
)

type check func(ctx context.Context, t fleet.Target) error

// health is what -health-url and -health-cmd ask for, or nil; of both, both.
func (s *settings) health() (check, error) {
	var checks []check
	if s.healthURL != "" {
		if err := checkHealthURL(s.healthURL); err != nil {
			return nil, err
		}
		checks = append(checks, urlCheck(s.healthURL))
	}
	if s.healthCmd != "" {
		checks = append(checks, commandCheck(s.healthCmd))
	}
	if len(checks) == 0 {
		return nil, nil //nolint:nilnil // nobody is asked
	}
	return func(ctx context.Context, t fleet.Target) error {
		for _, check := range checks {
			if err := check(ctx, t); err != nil {
				return err
			}
		}
		return nil
	}, nil
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

// urlCheck is content with an answer of 2xx. It does not follow redirects: a page
// to log in at says nothing of the instance.
func urlCheck(template string) check {
	client := &http.Client{
		Timeout:       healthPatience,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}, // a restarted instance knows no old connection
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, t fleet.Target) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, expand(template, t), http.NoBody) //nolint:gosec // the template is the user's
		if err != nil {
			return err
		}
		response, err := client.Do(request) //nolint:gosec // see above
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

// commandCheck is content with exit code 0.
func commandCheck(command string) check {
	return func(ctx context.Context, t fleet.Target) error {
		ctx, cancel := context.WithTimeout(ctx, hookPatience)
		defer cancel()
		shell, option := "sh", "-c"
		if runtime.GOOS == "windows" {
			shell, option = "cmd", "/c"
		}
		cmd := exec.CommandContext(ctx, shell, option, command) //nolint:gosec // it is the user's
		cmd.WaitDelay = time.Second                             // for what it may have left behind
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
}
