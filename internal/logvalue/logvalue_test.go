package logvalue_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecsreboot/ecsreboot/internal/logvalue"
	"github.com/ecsreboot/ecsreboot/internal/seconds"
)

type word string

type answer uint8

func (a answer) String() string { return []string{"no", "yes"}[a] }

type secret struct{ value string }

func (secret) LogValue() slog.Value { return slog.StringValue("hidden") }

type plain struct {
	InstanceID string    `json:"instanceId"`
	Word       word      `json:"word,omitempty"`
	Answer     answer    `json:"answer"`
	Secret     secret    `json:"secret"`
	At         time.Time `json:"at,omitzero"`
	Tags       []string  `json:"tags,omitempty"`
	Seen       []secret  `json:"seen,omitempty"`
	Count      int       `json:"count"`
	Err        error     `json:"-"`
	Untagged   string
	unexported int
}

type extended struct {
	plain

	Elapsed seconds.Duration `json:"elapsedSeconds"`
	Limit   seconds.Duration `json:"retryLimitSeconds,omitzero"`
	Inner   *inner           `json:"inner,omitempty"`
}

type inner struct {
	State word `json:"state"`
}

// record is what a handler writes of a value.
func record(value any) string {
	var text strings.Builder
	logger := slog.New(slog.NewJSONHandler(&text, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key != "v" {
			return slog.Attr{}
		}
		return a
	}}))
	logger.Info("", "v", logvalue.Of(value))
	return text.String()
}

func TestOf(t *testing.T) {
	assert.JSONEq(t, `{"v":{"instance_id":"","answer":"no","secret":"hidden","count":0,"elapsed":0}}`, record(extended{}))
	full := &extended{
		plain: plain{
			"i-1", "w", 1, secret{"s3cret"}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), []string{"a", "b"}, make([]secret, 3), 7, assert.AnError, "untagged", 1,
		},
		Elapsed: seconds.Duration(1500), Limit: seconds.Duration(time.Minute), Inner: new(inner),
	}
	assert.JSONEq(t, `{"v":{"instance_id":"i-1","word":"w","answer":"yes","secret":"hidden","at":"2026-01-02T03:04:05Z",
		"tags":["a","b"],"seen":3,"count":7,"elapsed":1500,"retry_limit":60000000000,"inner":{"state":""}}}`, record(full))
	assert.Equal(t, slog.KindString, logvalue.Of(full).Group()[1].Value.Kind(), "a named string")
	assert.Equal(t, slog.KindDuration, logvalue.Of(full).Group()[8].Value.Kind())
	assert.Equal(t, slog.Value{}, logvalue.Of((*extended)(nil)))
}
