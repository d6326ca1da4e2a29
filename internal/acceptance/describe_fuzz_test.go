package acceptance_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// listedInstance is an instance as a fuzz target puts it into a page.
type listedInstance struct {
	id, zone, status string
	texts            []string // locks, and tags with themselves as values
}

func (i listedInstance) wire() map[string]any {
	locks, tags := []any{}, []any{}
	for _, text := range i.texts {
		locks = append(locks, map[string]any{"LockReason": text, "LockMsg": ""})
		tags = append(tags, map[string]any{"TagKey": text, "TagValue": text})
	}
	return map[string]any{
		"InstanceId": i.id, "InstanceName": i.id + i.zone, "ZoneId": i.zone, "Status": i.status, "Unknown": []any{nil, 1.5},
		"OperationLocks": map[string]any{"LockReason": locks}, "Tags": map[string]any{"Tag": tags},
	}
}

// listedPage is one page, and the one that its token leads to: 0 is none.
type listedPage struct {
	instances []listedInstance
	next      int
}

func (s *script) page(text string) (p listedPage) {
	for range s.upTo(6) {
		i := listedInstance{id: fmt.Sprintf("i-%d", s.upTo(12)), zone: oneOf(s, "z-a", "z-b"), status: oneOf(s, "Running", "Stopped", "of a later version")}
		if s.is() {
			i.texts = append(i.texts, text)
		}
		if s.is() {
			i.texts = append(i.texts, "role")
		}
		p.instances = append(p.instances, i)
	}
	p.next = s.upTo(8)
	return p
}

// expected is what a list is by its pages alone, and whether they go in a circle.
func expected(pages []listedPage, asked ecsreboot.DescribeInstancesRequest) (want []listedInstance, circle bool) {
	missing := slices.Compact(slices.Sorted(slices.Values(asked.InstanceIDs)))
	byID := len(missing) > 0
	been := make(map[int]bool)
	for at := 0; ; been[at] = true {
		for _, i := range pages[at].instances {
			fits := (asked.Zone == "" || i.zone == asked.Zone) && (asked.Status == "" || i.status == string(asked.Status))
			if value, ok := asked.Tags["role"]; ok {
				fits = fits && slices.Contains(i.texts, "role") && value != "other"
			}
			known := slices.ContainsFunc(want, func(w listedInstance) bool { return w.id == i.id })
			if !fits || known || byID && !slices.Contains(missing, i.id) {
				continue
			}
			want = append(want, i)
			missing = slices.DeleteFunc(missing, func(id string) bool { return id == i.id })
		}
		at = pages[at].next
		switch {
		case at == 0, byID && len(missing) == 0:
			for _, id := range missing {
				want = append(want, listedInstance{id: id})
			}
			return want, false
		case been[at]:
			return want, true
		}
	}
}

// FuzzList lists instances on any pages: repeated, not asked for, in circles. Each of
// those asked for comes once, in the order of the pages, as it is; those that no page
// has come last; and it ends.
func FuzzList(f *testing.F) {
	f.Add([]byte{}, "security")
	f.Add([]byte{0, 5, 1, 0, 0, 1, 0, 2, 1, 0, 0, 1, 3, 0, 1, 1, 0, 2, 4, 0, 0, 0, 0, 1, 3, 4, 9, 1, 0, 1, 1, 2, 3}, "中\"\u2028")
	f.Add([]byte{1, 3, 4, 9, 1, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0, 1, 0, 2, 1, 1, 1, 1, 1, 3, 3, 3, 3, 1, 2, 1}, "")
	f.Add([]byte{0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0}, "twice")
	random := rand.New(rand.NewPCG(5, 2))
	for range 50 {
		text := make([]byte, 20+random.IntN(200))
		for i := range text {
			text[i] = byte(random.Uint32())
		}
		f.Add(text, "financial")
	}
	f.Fuzz(func(t *testing.T, text []byte, word string) {
		encoded, _ := json.Marshal(word)
		require.NoError(t, json.Unmarshal(encoded, &word)) // as JSON can hold it
		s := &script{text}
		var asked ecsreboot.DescribeInstancesRequest
		for range s.upTo(6) {
			asked.InstanceIDs = append(asked.InstanceIDs, fmt.Sprintf("i-%d", s.upTo(12)))
		}
		asked.Zone = oneOf(s, "", "z-a")
		asked.Status = oneOf[ecsreboot.Status](s, "", "Running")
		if s.is() {
			asked.Tags = map[string]string{"role": oneOf(s, "", "role", "other")}
		}
		pages := make([]listedPage, 8)
		for i := range pages {
			pages[i] = s.page(word)
		}
		calls := 0
		way := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			calls++
			params, err := url.ParseQuery(req.URL.RawQuery)
			require.NoError(t, err)
			at := 0
			if token := params.Get("NextToken"); token != "" {
				_, err := fmt.Sscanf(token, "to+/= %d", &at)
				require.NoError(t, err)
			}
			body := map[string]any{"RequestId": "R", "TotalCount": 1e3}
			instances := []any{}
			for _, i := range pages[at].instances {
				instances = append(instances, i.wire())
			}
			body["Instances"] = map[string]any{"Instance": instances}
			if pages[at].next != 0 {
				body["NextToken"] = fmt.Sprintf("to+/= %d", pages[at].next)
			}
			encoded, err := json.Marshal(body)
			require.NoError(t, err)
			return answered(200, nil, string(encoded), -1).RoundTrip(req)
		})

		want, circle := expected(pages, asked)
		var last error
		at := 0
		for instance, err := range fuzzClient(t, way).DescribeInstances(t.Context(), asked) {
			if last = err; err != nil {
				continue
			}
			require.Less(t, at, len(want), "%+v was not to come", instance)
			w := want[at]
			at++
			require.Equal(t, w.id, instance.ID)
			require.Equal(t, w.status, string(instance.Status))
			require.Equal(t, w.status != "", instance.Listed())
			require.Equal(t, w.zone, instance.Zone)
			requireLocks(t, w.texts, instance.Locks)
			require.Len(t, instance.Tags, len(slices.Compact(slices.Sorted(slices.Values(w.texts)))))
			for _, tag := range w.texts {
				require.Equal(t, tag, instance.Tags[tag])
			}
		}
		require.Len(t, want, at)
		require.Equal(t, circle, last != nil, "%v", last)
		require.LessOrEqual(t, calls, len(pages))
	})
}

// requireLocks checks that a list shows the locks that stand in a page. What decides and
// what is a plain word comes as it is; anything else may have had to be made fit to print,
// and is then quoted, so that it is no lock that the service knows.
func requireLocks(t *testing.T, want, got []string) {
	t.Helper()
	require.Len(t, got, len(want))
	for n, text := range want {
		isNoLetter := func(r rune) bool { return !unicode.IsLetter(r) }
		if plain := len(text) < 20 && !strings.ContainsFunc(text, isNoLetter); plain || got[n] == text {
			require.Equal(t, text, got[n])
			continue
		}
		_, err := strconv.Unquote(got[n])
		require.NoError(t, err, "%q for %q", got[n], text)
	}
}

// FuzzPageBody lists instances with any body as a page: an error ends the list, or
// what comes of it is what stands there.
func FuzzPageBody(f *testing.F) {
	for _, body := range append([]string{
		`{"RequestId":"R","NextToken":"","Instances":{"Instance":[{"InstanceId":"i-1","Status":"Running","StartTime":"2017-12-10T04:04Z"}]}}`,
		`{"RequestId":"R","Instances":{"Instance":[null,{},{"InstanceId":"","Status":"Running"}]}}`, `{"RequestId":"R","Instances":{"Instance":{"InstanceId":"i-1"}}}`,
		`{"requestId":"R","instances":{"INSTANCE":[{"instanceid":"i-1"}]},"Instances":null}`, `{"RequestId":"R","Instances":{"Instance":[{"InstanceId":1}]}}`,
	}, errorBodies...) {
		f.Add(body, int16(-1))
		f.Add(body, int16(len(body)/2))
	}
	f.Fuzz(func(t *testing.T, body string, broken int16) {
		first := true
		inner := answered(200, nil, body, int(broken))
		way := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if first {
				first = false
				return inner.RoundTrip(req)
			}
			return nil, io.ErrUnexpectedEOF
		})
		count := 0
		for instance, err := range fuzzClient(t, way).DescribeInstances(t.Context(), ecsreboot.DescribeInstancesRequest{}) {
			if err != nil {
				require.Equal(t, ecsreboot.OutcomeNone, ecsreboot.OutcomeOf(err))
				require.LessOrEqual(t, len(err.Error()), 4096)
				return // which ends it, or else it would be more than the page holds
			}
			count++
			require.Equal(t, instance.Status != "", instance.Listed())
		}
		var page struct {
			RequestID string `json:"RequestId"`
			Instances struct {
				Instance []struct {
					InstanceID string `json:"InstanceId"`
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(body), &page), "no page is a page")
		require.NotEmpty(t, page.RequestID)
		ids := make(map[string]bool)
		for _, i := range page.Instances.Instance {
			ids[i.InstanceID] = true
		}
		require.Len(t, ids, count)
	})
}
