package ecsreboot

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// printable are the exported types that users print, log or store.
var printable = []any{
	&APIError{},
	AccessDenied{},
	Baseline{},
	Call{},
	CallResult{},
	&CheckResult{},
	new(Client),
	DescribeInstancesRequest{},
	ErrorCode(""),
	Event{},
	EventKind(""),
	Finding(""),
	&ForeignError{},
	&InputError{},
	Instance{},
	Observation{},
	&OperationError{},
	Outcome(0),
	ProbeResult(0),
	Proof(""),
	RebootInstanceRequest{},
	&RebootInstanceResponse{},
	&RestartResult{},
	RetryPolicy{},
	ScheduledEvent{},
	ScheduledEventsRequest{},
	SendIntent{},
	SentRequest{},
	SignatureVersion(0),
	Status(""),
	Testimony{},
	&WaitError{},
}

// notPrintable are the others: functions, and what holds them.
var notPrintable = []string{"CallObserver", "Option", "WaitOptions", "Witness"}

func nameOf(value any) string {
	typ := reflect.TypeOf(value)
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	return typ.Name()
}

// The table has every exported type, of which there are few.
func TestPrintableTypesAreAll(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	declared := make(map[string]bool)
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
				declared[spec.Name.Name] = true
			}
			return true
		})
	}
	known := slices.Clone(notPrintable)
	for _, value := range printable {
		known = append(known, nameOf(value))
	}
	slices.Sort(known)
	assert.Equal(t, slices.Sorted(maps.Keys(declared)), known)
	assert.LessOrEqual(t, len(declared), 38)
}

var lowerCamel = regexp.MustCompile(`^[a-z][a-z0-9]*([A-Z][a-z0-9]+)*$`)

// requireKeys checks the keys of decoded JSON, and that nothing in it is null.
func requireKeys(t *testing.T, where string, value any) {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			if !strings.HasSuffix(where, ".tags") { // their keys are the user's
				assert.Regexp(t, lowerCamel, key, where)
			}
			requireKeys(t, where+"."+key, inner)
		}
	case []any:
		for _, inner := range value {
			requireKeys(t, where, inner)
		}
	default:
		assert.NotNil(t, value, where)
	}
}

// requireAttributes checks the keys of what slog gets.
func requireAttributes(t *testing.T, where string, value slog.Value) {
	t.Helper()
	value = value.Resolve()
	if value.Kind() != slog.KindGroup {
		return
	}
	for _, attr := range value.Group() {
		assert.Regexp(t, `^[a-z]+(_[a-z]+)*$`, attr.Key, where)
		requireAttributes(t, where+"."+attr.Key, attr.Value)
	}
}

// full sets every field.
func full(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				full(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		full(v.Index(0))
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"Key-1": "value"}))
	case reflect.String:
		v.SetString("word")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint8:
		v.SetUint(1)
	case reflect.Interface:
		v.Set(reflect.ValueOf(foreign("Probe", errors.New("hidden"), func(string) string { return "shown" })))
	default:
	}
}

// What is printed has LogValue and JSON with keys in lower camel case and without null,
// whether it is empty or full. What is written as text is read from text.
func TestPrintable(t *testing.T) {
	for _, zero := range printable {
		t.Run(nameOf(zero), func(t *testing.T) {
			filled := reflect.New(reflect.Indirect(reflect.ValueOf(zero)).Type())
			if nameOf(zero) != "Client" {
				full(filled.Elem())
			}
			values := []any{zero, filled.Interface()}
			if reflect.TypeOf(zero).Kind() == reflect.Pointer {
				if _, isClient := zero.(*Client); !isClient {
					values = append(values, filled.Elem().Interface())
				}
				nothing := reflect.Zero(reflect.TypeOf(zero)).Interface()
				assert.Equal(t, slog.Value{}, nothing.(slog.LogValuer).LogValue(), "a nil pointer")
				assert.Equal(t, "<nil>", fmt.Sprint(nothing))
			} else {
				values = append(values, filled.Elem().Interface())
			}
			for _, value := range values {
				text, err := json.Marshal(value)
				require.NoError(t, err)
				assert.NotContains(t, string(text), "null")
				assert.NotContains(t, string(text), "hidden")
				var decoded any
				require.NoError(t, json.Unmarshal(text, &decoded))
				requireKeys(t, nameOf(zero), decoded)
				for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
					shown := fmt.Sprintf(verb, value)
					assert.NotContains(t, shown, "PANIC")
					assert.NotContains(t, shown, "hidden")
				}
			}
			if marshaler, ok := zero.(encoding.TextMarshaler); ok {
				text, err := marshaler.MarshalText()
				require.NoError(t, err)
				again, ok := reflect.TypeAssert[encoding.TextUnmarshaler](filled)
				require.True(t, ok, "UnmarshalText is missing")
				require.NoError(t, again.UnmarshalText(text))
				assert.Equal(t, zero, filled.Elem().Interface())
				return // slog writes the text
			}
			if reflect.TypeOf(zero).Kind() == reflect.String {
				return
			}
			valuer, ok := zero.(slog.LogValuer)
			require.True(t, ok, "LogValue is missing")
			requireAttributes(t, nameOf(zero), valuer.LogValue())
			requireAttributes(t, nameOf(zero), filled.Interface().(slog.LogValuer).LogValue())
			assert.NotContains(t, filled.Interface().(slog.LogValuer).LogValue().String(), "hidden")
		})
	}
}

func TestWords(t *testing.T) {
	for want, value := range map[string]interface {
		fmt.Stringer
		encoding.TextMarshaler
	}{
		"none": OutcomeNone, "not sent": OutcomeNotSent, "rejected": OutcomeRejected, "unknown": OutcomeUnknown, "accepted": OutcomeAccepted, "Outcome(9)": Outcome(9),
		"pending": ProbePending, "healthy": ProbeHealthy, "restarted": ProbeRestarted, "ProbeResult(9)": ProbeResult(9),
		"V3": SignatureV3, "V1": SignatureV1, "SignatureVersion(9)": SignatureVersion(9),
	} {
		assert.Equal(t, want, value.String())
		text, err := value.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, want, string(text))
		again := reflect.New(reflect.TypeOf(value))
		err = again.Interface().(encoding.TextUnmarshaler).UnmarshalText(text)
		if strings.HasSuffix(want, "(9)") {
			require.EqualError(t, err, fmt.Sprintf("ecsreboot: invalid %s %q", nameOf(value), want))
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, value, again.Elem().Interface())
	}
}

// examples of what users store.
var (
	storedAt       = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	storedBaseline = Baseline{
		InstanceID: "i-1", Status: StatusRunning, StartTime: storedAt.Truncate(time.Minute), Locks: []string{"refunded"},
		TakenAt: storedAt.Add(100 * time.Millisecond), ServiceTime: storedAt,
	}
	storedSeen   = Observation{At: storedAt, Status: StatusStopping, StartTime: storedAt.Truncate(time.Minute)}
	storedAnswer = APIError{
		Code: ErrForbiddenRAM, Message: "m", StatusCode: 403, RequestID: "R", RetryAfter: 1500 * time.Millisecond,
		AccessDenied: AccessDenied{Action: "ecs:RebootInstance", PolicyType: "ResourceBasedPolicy"},
	}
)

// What is decoded is what was encoded.
func TestRoundTrips(t *testing.T) {
	for want, value := range map[string]any{
		`{"instanceId":"i-1","status":"Running","startTime":"2026-01-02T03:04:00Z","locks":["refunded"],"takenAt":"2026-01-02T03:04:05.1Z","serviceTime":"2026-01-02T03:04:05Z"}`: storedBaseline,
		`{"at":"2026-01-02T03:04:05Z","status":"Stopping","startTime":"2026-01-02T03:04:00Z"}`:                                                                                    storedSeen,
		`{"baseline":{"instanceId":"","status":""},"request":2,"sendId":"S"}`:                                                                                                     SendIntent{Request: 2, SendID: "S"},
		`{"kind":"witness","sendId":"S","testimony":{"witness":"w","finding":"refused","sendId":"S","requestId":"R","code":"c","message":"m","at":"2026-01-02T03:04:05Z","changes":[{"at":"2026-01-02T03:04:05Z","status":"Stopping","startTime":"2026-01-02T03:04:00Z"}]}}`: Event{
			Kind: EventWitness, SendID: "S", Testimony: Testimony{Witness: "w", Finding: FindingRefused, SendID: "S", RequestID: "R", Code: "c", Message: "m", At: storedAt, Changes: []Observation{storedSeen}},
		},
		`{"sendId":"S","instanceId":"i-1","region":"r","sentAt":"2026-01-02T03:04:05Z","serviceTime":"2026-01-02T03:04:05Z"}`: SentRequest{SendID: "S", InstanceID: "i-1", Region: "r", SentAt: storedAt, ServiceTime: storedAt},
		`{"instanceId":"i-1","proof":"status","requests":1,"observations":[{"at":"2026-01-02T03:04:05Z","status":"Stopping","startTime":"2026-01-02T03:04:00Z"}],"sentAt":"2026-01-02T03:04:05Z","elapsedSeconds":42.25}`: RestartResult{
			InstanceID: "i-1", Proof: ProofStatus, Requests: 1, Observations: []Observation{storedSeen}, SentAt: storedAt, Elapsed: 42250 * time.Millisecond,
		},
		`{"code":"Forbidden.RAM","message":"m","statusCode":403,"requestId":"R","accessDenied":{"action":"ecs:RebootInstance","policyType":"ResourceBasedPolicy"},"retryAfterSeconds":1.5}`: storedAnswer,
		`{"maxAttempts":3,"baseDelaySeconds":-1e-9,"maxThrottleWaitSeconds":60}`:                                                                                                            RetryPolicy{MaxAttempts: 3, BaseDelay: -1, MaxThrottleWait: time.Minute},
		`{"instance":{"id":"i-1","status":"Running","tags":{"Role":"web"}},"requestId":"R"}`:                                                                                                CheckResult{Instance: Instance{ID: "i-1", Status: StatusRunning, Tags: map[string]string{"Role": "web"}}, RequestID: "R"},
		`{"requestId":"R"}`:           RebootInstanceResponse{RequestID: "R"},
		`{"instanceId":"i-1"}`:        RebootInstanceRequest{InstanceID: "i-1"},
		`{"status":"Stopped"}`:        DescribeInstancesRequest{Status: StatusStopped},
		`{"kind":"sending"}`:          Event{Kind: EventSending},
		`{"field":"f","problem":"p"}`: InputError{Field: "f", Problem: "p"},
	} {
		text, err := json.Marshal(value)
		require.NoError(t, err)
		assert.JSONEq(t, want, string(text))
		again := reflect.New(reflect.TypeOf(value))
		require.NoError(t, json.Unmarshal(text, again.Interface()))
		assert.Equal(t, value, again.Elem().Interface())
		require.Error(t, json.Unmarshal([]byte(`{"elapsedSeconds":"1s","retryAfterSeconds":"1s","maxDelaySeconds":"1s","instanceId":1,"at":1,"status":1,"instance":1,"requestId":1,"field":1,"baseline":1}`), again.Interface()))
		assert.Equal(t, reflect.TypeOf(value), again.Elem().Type())
	}
}

// An error keeps its text, its outcome, and the APIError or WaitError in it.
func TestErrorsAreStored(t *testing.T) {
	wait := &WaitError{
		LastStatus: StatusRunning, LastSeen: storedAt, Requests: 1, RequestID: "R", Before: storedBaseline, Observations: []Observation{storedSeen},
		Locks: []string{"refunded"}, Err: fmt.Errorf("%w: %w", ErrNotProven, &storedAnswer), at: storedAt.Add(7 * time.Second),
	}
	for _, cause := range []error{nil, errors.New("plain"), &storedAnswer, withLocks(&storedAnswer, []string{"refunded"}), wait} {
		failed := &OperationError{Operation: "RebootAndWait", InstanceID: "i-1", Outcome: OutcomeUnknown, Attempts: 2, SentAt: storedAt, Err: cause}
		text, err := json.Marshal(failed)
		require.NoError(t, err)
		assert.NotContains(t, string(text), "null")
		again := new(OperationError)
		require.NoError(t, json.Unmarshal(text, again))
		require.EqualError(t, again, failed.Error())
		require.ErrorIs(t, again, ErrOutcomeUnknown)
		assert.Equal(t, failed.with(nil), again.with(nil))
		_, answered := errors.AsType[*APIError](cause)
		assert.Equal(t, answered, errors.Is(again, ErrAccessDenied))
		assert.Equal(t, answered, errors.Is(again, ErrForbiddenRAM))
		waited, ok := errors.AsType[*WaitError](again)
		assert.Equal(t, errors.Is(cause, wait), ok)
		if ok {
			assert.Equal(t, wait.Before, waited.Before)
			assert.Equal(t, wait.Observations, waited.Observations)
		}
		rewritten, err := json.Marshal(again)
		require.NoError(t, err)
		assert.Equal(t, string(text), string(rewritten))
	}
	var broken OperationError
	require.Error(t, json.Unmarshal([]byte(`{"outcome":"lost"}`), &broken))
	require.Error(t, json.Unmarshal([]byte(`{"wait":{"lastSeen":7}}`), &broken))
	assert.Equal(t, OperationError{}, broken)
}

func TestStrings(t *testing.T) {
	lost := &OperationError{Operation: "RebootInstance", InstanceID: "i-1", Outcome: OutcomeUnknown, Err: errors.New("EOF")}
	for want, value := range map[string]any{
		`i-1: Running, started 2026-01-02T03:04Z; locked: "refunded"`: storedBaseline,
		"Stopping, started 2026-01-02T03:04Z":                         storedSeen,
		"not listed":                                                  Observation{},
		`i-1 "web\n": Running; locked: "x"`:                           Instance{ID: "i-1", Name: "web\n", Status: StatusRunning, Locks: []string{"x"}},
		"i-2: not listed":                                             Instance{ID: "i-2"},
		"i-1 restarted, proven by status after 42s (request R)":       &RestartResult{InstanceID: "i-1", Proof: ProofStatus, Elapsed: 42 * time.Second, RequestID: "R"},
		"accepted (request R)":                                        Event{Kind: EventAccepted, At: storedAt, RequestID: "R"},
		"status: Running, started 2026-01-02T03:04Z":                  Event{Kind: EventStatus, Status: StatusRunning, StartTime: storedAt},
		"status: not listed":                                          Event{Kind: EventStatus},
		"outcome unknown: " + lost.Error():                            Event{Kind: EventOutcomeUnknown, Err: lost},
		"{i-1: Running 3 S}":                                          SendIntent{Baseline{InstanceID: "i-1", Status: StatusRunning}, 3, "S"},
		"ecsreboot.Client(://)":                                       new(Client),
	} {
		assert.Equal(t, want, fmt.Sprint(value))
	}
}
