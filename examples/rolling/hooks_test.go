package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
)

func TestHealthURL(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.EscapedPath() {
		case "/i-1/a%20b/z/g":
			w.WriteHeader(http.StatusNoContent)
		case "/login":
			http.Redirect(w, r, "/i-1/a%20b/z/g", http.StatusFound)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	one := fleet.Target{ID: "i-1", Name: "a b", Zone: "z", Group: "g"}
	require.NoError(t, urlCheck(server.URL+"/{id}/{name}/{zone}/{group}")(t.Context(), one))
	require.ErrorContains(t, urlCheck(server.URL+"/{id}")(t.Context(), one), "503")
	require.ErrorContains(t, urlCheck(server.URL+"/login")(t.Context(), one), "302", "a page to log in at is not health")
	server.Close()
	require.Error(t, urlCheck(server.URL)(t.Context(), one))

	s := &settings{healthURL: "http://[bad"}
	_, err := s.health()
	require.ErrorContains(t, err, "-health-url")
	health, err := (&settings{}).health()
	require.NoError(t, err)
	require.Nil(t, health)
}

func TestCommand(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands are of a Unix shell")
	}
	one := fleet.Target{ID: "i-1", Name: "a b", Zone: "z", Group: "g"}
	require.NoError(t, commandCheck(`test "$INSTANCE_ID,$INSTANCE_NAME,$INSTANCE_ZONE,$INSTANCE_GROUP" = "i-1,a b,z,g"`)(t.Context(), one))
	require.EqualError(t, commandCheck("echo one; echo drained: no >&2; exit 3")(t.Context(), one), "exit status 3: drained: no")
	require.EqualError(t, commandCheck("exit 3")(t.Context(), one), "exit status 3")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, commandCheck("sleep 60")(ctx, one), context.DeadlineExceeded)

	s := &settings{healthURL: "http://127.0.0.1:1", healthCmd: "false"}
	health, err := s.health()
	require.NoError(t, err)
	require.ErrorContains(t, health(t.Context(), one), "127.0.0.1:1", "all must be content")
}

func TestMetadata(t *testing.T) {
	tests := map[string]struct {
		token func(w http.ResponseWriter)
		id    string
		want  string
	}{
		"with a token":     {func(w http.ResponseWriter) { _, _ = w.Write([]byte("secret")) }, "i-1\n", "i-1"},
		"without one":      {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, "i-1", "i-1"},
		"too late":         {func(http.ResponseWriter) { time.Sleep(metadataPatience + 50*time.Millisecond) }, "i-1", ""},
		"a page of a wall": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, "<html> <body>", ""},
		"a long answer":    {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, strings.Repeat("i", 2000), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" && r.Header.Get("X-aliyun-ecs-metadata-token-ttl-seconds") != "":
					test.token(w)
				case r.URL.Path == "/latest/meta-data/instance-id" && (name != "with a token" || r.Header.Get("X-aliyun-ecs-metadata-token") == "secret"):
					_, _ = w.Write([]byte(test.id))
				default:
					w.WriteHeader(http.StatusForbidden)
				}
			}))
			defer server.Close()
			id, err := instanceID(t.Context(), server.Client(), server.URL)
			require.Equal(t, test.want == "", err != nil, err)
			if err == nil {
				require.Equal(t, test.want, id)
			}
		})
	}
}
