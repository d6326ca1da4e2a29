package fleet_test

import (
	"cmp"
	"encoding/json"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

var eventSeeds = []string{
	`{"kind":"run","at":"2026-03-14T01:58:12Z","plan":{"region":"cn-hangzhou","endpoint":"https://ecs-cn-hangzhou.aliyuncs.com","targets":[{"id":"i-1","name":"web","zone":"cn-hangzhou-h","group":"h"},{"id":"i-2"}]},"rules":{"maxUnavailable":"2%","maxFailed":"1","canary":[1,5]},"hooks":"health,window","program":"0.1.0"}`,
	`{"kind":"resume","at":"2026-03-14T01:58:12.123456789+08:00","rules":{"maxUnavailable":"1","maxUnavailablePerGroup":"33.3%","allowWide":true,"maxFailed":"0","canary":[]}}`,
	`{"kind":"intent","at":"2026-03-14T01:58:13Z","id":"i-1","attempt":1,"before":{"instanceId":"i-1","status":"Running","startTime":"2026-01-01T00:00:00Z","locks":["security"],"takenAt":"2026-03-14T01:58:12Z","serviceTime":"2026-03-14T01:58:11Z"}}`,
	`{"kind":"accepted","at":"2026-03-14T01:58:14Z","id":"i-1","requestId":"473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E"}`,
	`{"kind":"failed","at":"2026-03-14T02:00:00Z","id":"i-1","reason":"refused","code":"Forbidden.RAM","error":"\u0000\ud800<&>\u2028"}`,
	`{"kind":"skipped","at":"2026-03-14T02:00:00Z","id":"i-2","reason":"not running","unavailable":true}`,
	`{"kind":"failed","at":"2026-03-14T02:00:00Z","id":"i-2","reason":"refused","code":"DiskError","running":true}`,
	`{"kind":"marked","at":"2026-03-14T02:00:00Z","id":"i-2","mark":"not restarted","reason":"marked as not restarted","note":"ActionTrail has no event"}`,
	`{"kind":"hook","at":"2026-03-14T02:00:00Z","id":"i-2","hook":"drain"}`,
	`{"kind":"hooked","at":"2026-03-14T02:00:00Z","id":"i-2","hook":"drain","error":"no such backend"}`,
	`{"kind":"console","at":"2026-03-14T02:00:00Z","id":"i-2","console":"[ 1.0] Kernel panic\n\u003cnot\u003e syncing"}`,
	`{"kind":"pace","at":"2026-03-14T02:00:00Z","accepted":3,"throttled":1,"rate":1e-320}`,
	`{"kind":"down","at":"0000-01-01T00:00:00Z","id":"i-1"}`,
	`{"KIND":"up","At":"9999-12-31T23:59:59.999999999-23:59","id":"i-1","stage":-9223372036854775808,"unknown":[{}]}`,
	`{"kind":"stage","stage":1,"rules":{"maxFailed":"101%"}}`,
	`{"kind":"run","at":"0001-01-01T01:00:00+01:00","plan":{"targets":null},"rules":{"canary":null}}`,
}

// plain leaves nothing of an event that its JSON does not tell: an empty list from
// none, the zone of no time, and what else a zone is but its offset.
func plain(e fleet.Event) fleet.Event {
	bare := func(t time.Time) time.Time {
		_, offset := t.Zone()
		return t.In(time.FixedZone("", offset))
	}
	e.At = bare(e.At)
	if e.Before != nil {
		before := *e.Before
		if len(before.Locks) == 0 {
			before.Locks = nil
		}
		before.TakenAt = bare(before.TakenAt)
		before.StartTime = bare(before.StartTime)
		if before.StartTime.IsZero() {
			before.StartTime = time.Time{}
		}
		e.Before = &before
	}
	return e
}

// fill sets every number and word of a value that is zero, also where it points to.
func fill(v reflect.Value, number int64, word string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem(), number, word)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), number+int64(i), word)
			}
		}
	case reflect.Int:
		v.SetInt(cmp.Or(v.Int(), number))
	case reflect.Float64:
		v.SetFloat(cmp.Or(v.Float(), float64(number)/8))
	case reflect.String:
		v.SetString(cmp.Or(v.String(), word))
	case reflect.Bool:
		v.SetBool(v.Bool() || number%2 == 0)
	default: // lists stay as they are
	}
}

// FuzzEvent takes any text that is an event through a journal and back, with and
// without values in all its fields: nothing of it is lost, and it is written the same
// again.
func FuzzEvent(f *testing.F) {
	for _, text := range eventSeeds {
		f.Add([]byte(text), int64(0), "")
		f.Add([]byte(text), int64(7), "<word> \u2028")
	}
	f.Fuzz(func(t *testing.T, text []byte, number int64, word string) {
		var event fleet.Event
		if json.Unmarshal(text, &event) != nil {
			return
		}
		if utf8.ValidString(word) {
			fill(reflect.ValueOf(&event), number, word)
		}
		written, err := json.Marshal(event)
		require.NoError(t, err)

		d := newDisk()
		j, err := journal.Create("run", event, journal.Options{FS: d})
		require.NoError(t, err)
		require.NoError(t, j.Append(event))
		require.NoError(t, j.Close())
		contents, err := journal.Read("run", journal.Options{FS: d})
		require.NoError(t, err)
		require.Len(t, contents.Records, 2)
		for _, record := range contents.Records {
			var again fleet.Event
			require.NoError(t, json.Unmarshal(record, &again))
			require.Equal(t, plain(event), plain(again))
			rewritten, err := json.Marshal(again)
			require.NoError(t, err)
			require.Equal(t, string(written), string(rewritten))
		}
	})
}
