package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// clientsDir holds a script for each client that is not written in Go.
var clientsDir = filepath.Join("testdata", "clients")

// otherClient is a client in another language, as it stands.
type otherClient struct {
	name      string
	command   func(t *testing.T) []string
	signature string   // of its calls
	method    string   // of its calls
	pagings   []string // the ways in which it can read a list
	readsHint bool     // x-acs-retry-after
	libcloud  bool
}

var otherClients = []otherClient{
	{name: "npm ecs20140526 7.11.6", command: node("ecs7.js"), signature: "ACS3-HMAC-SHA256", method: "POST", pagings: []string{"number", "token", "default"}, readsHint: true},
	{name: "npm ecs20140526 1.1.0", command: node("ecs1.js"), signature: "1.0", method: "POST", pagings: []string{"number"}},
	{name: "npm pop-core GET", command: node("popcore.js", "GET"), signature: "1.0", method: "GET", pagings: []string{"number", "token", "default"}},
	{name: "npm pop-core POST", command: node("popcore.js", "POST"), signature: "1.0", method: "POST", pagings: []string{"number", "token", "default"}},
	{name: "libcloud", command: libcloud, signature: "1.0", method: "GET", pagings: []string{"number"}, libcloud: true},
}

// node is the command of a script for Node.js.
func node(script string, args ...string) func(t *testing.T) []string {
	return func(t *testing.T) []string {
		path, err := exec.LookPath("node")
		if err != nil {
			missing(t, "there is no node in PATH; Debian has it in the package nodejs")
		}
		if _, err := os.Stat(filepath.Join(clientsDir, "node_modules")); err != nil {
			missing(t, "the npm clients are not installed; run npm ci --ignore-scripts in internal/conformance/testdata/clients")
		}
		return append([]string{path, filepath.Join(clientsDir, script)}, args...)
	}
}

// libcloud is the command of the script for Apache Libcloud. Debian installs it for
// its own python3, which need not be the first in PATH.
func libcloud(t *testing.T) []string {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if path, err := exec.LookPath(name); err == nil && exec.Command(path, "-c", "import libcloud").Run() == nil {
			return []string{path, "-B", filepath.Join(clientsDir, "libcloud_ecs.py")}
		}
	}
	missing(t, "there is no python3 with libcloud; Debian has it in the package python3-libcloud")
	return nil
}

// missing skips the test of a client that is not installed, except among the long tests.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("LONG_TESTS") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// clientProcess is a running script. It carries out one command after the other.
type clientProcess struct {
	otherClient
	command *exec.Cmd
	stdin   io.Writer
	answers *json.Decoder
	stderr  bytes.Buffer
}

func (c otherClient) start(t *testing.T) *clientProcess {
	t.Helper()
	args := c.command(t)
	p := &clientProcess{otherClient: c, command: exec.Command(args[0], args[1:]...)}
	p.command.Stderr = &p.stderr
	stdin, err := p.command.StdinPipe()
	require.NoError(t, err)
	stdout, err := p.command.StdoutPipe()
	require.NoError(t, err)
	p.stdin, p.answers = stdin, json.NewDecoder(stdout)
	require.NoError(t, p.command.Start())
	t.Cleanup(func() {
		stdin.Close()
		timer := time.AfterFunc(10*time.Second, func() { _ = p.command.Process.Kill() })
		defer timer.Stop()
		assert.NoError(t, p.command.Wait(), "%s", &p.stderr)
	})
	return p
}

// command is what a script is to do. Fields that are not set stay with the client.
type command struct {
	Call     string            `json:"call"`
	Instance string            `json:"instance,omitempty"`
	Force    bool              `json:"force,omitempty"`
	DryRun   bool              `json:"dryRun,omitempty"`
	IDs      []string          `json:"instances,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Name     string            `json:"name,omitempty"`
	Paging   string            `json:"paging,omitempty"`
}

// clientAnswer is what the client made of the responses.
type clientAnswer struct {
	RequestID string
	Proven    bool // libcloud has seen the instance Running
	Pages     int
	Instances []clientInstance
	Error     *clientError
}

type clientInstance struct {
	ID, Name, Status, HostName, InstanceType, StartTime, PrivateIP string
	Tags                                                           map[string]string
}

type clientError struct {
	Text          string
	Code, Message string
	Status        int
	RequestID     string
	RetryAfter    int
}

func (a clientAnswer) ids() []string {
	var ids []string
	for _, i := range a.Instances {
		ids = append(ids, i.ID)
	}
	return ids
}

func (p *clientProcess) do(t *testing.T, endpoint string, k key, do command) clientAnswer {
	t.Helper()
	line, err := json.Marshal(struct {
		command
		Endpoint string            `json:"endpoint"`
		Region   string            `json:"region"`
		Key      map[string]string `json:"key"`
	}{do, endpoint, region, map[string]string{"id": k.id, "secret": k.secret, "token": k.token}})
	require.NoError(t, err)
	timer := time.AfterFunc(time.Minute, func() { _ = p.command.Process.Kill() })
	defer timer.Stop()
	_, err = p.stdin.Write(append(line, '\n'))
	require.NoError(t, err, "%s", &p.stderr)
	var answer clientAnswer
	require.NoError(t, p.answers.Decode(&answer), "%s", &p.stderr)
	return answer
}

// refused requires that the client reports the refusal as the service sent it, after
// a single call.
func (p *clientProcess) refused(t *testing.T, server *ecstest.Server, k key, do command, code string, status int) clientAnswer {
	t.Helper()
	server.ForgetCalls()
	answer := p.do(t, server.URL, k, do)
	require.NotNil(t, answer.Error, "%+v", answer)
	assert.Equal(t, code, answer.Error.Code, answer.Error.Text)
	assert.Equal(t, status, answer.Error.Status)
	assert.NotEmpty(t, answer.Error.Message)
	calls := server.Calls()
	require.Len(t, calls, 1)
	assert.Equal(t, calls[0].RequestID, answer.Error.RequestID)
	assert.Equal(t, p.signature, calls[0].SignatureVersion)
	assert.Equal(t, p.method, calls[0].Method)
	return answer
}

func TestOtherClients(t *testing.T) {
	// go test runs again what it has cached if a directory changed that a test read.
	_, err := os.ReadDir(clientsDir)
	require.NoError(t, err)
	for _, c := range otherClients {
		t.Run(c.name, func(t *testing.T) {
			p := c.start(t)
			for name, test := range map[string]func(t *testing.T, p *clientProcess){
				"restart":       clientRestarts,
				"refusals":      clientIsRefused,
				"keys":          clientKeys,
				"throttling":    clientIsThrottled,
				"lost response": clientLosesResponse,
				"pages":         clientPages,
				"selections":    clientSelects,
				"elsewhere":     clientStaysHere,
			} {
				t.Run(name, func(t *testing.T) { test(t, p) })
			}
		})
	}
}

// instance is one whose restart is over at once with force, and takes no longer than a
// client may wait without it.
var instance = ecstest.Instance{ID: "i-restarted", Reboot: ecstest.RebootProfile{Graceful: 200 * time.Millisecond, Forced: -1}}

// clientRestarts takes a graceful and a forced restart, and a dry run of each.
func clientRestarts(t *testing.T, p *clientProcess) {
	for _, force := range []bool{false, true} {
		t.Run(fmt.Sprintf("force=%v", force), func(t *testing.T) {
			server := newService(t, ecstest.Options{})
			instance := instance
			if !p.libcloud { // which waits for it
				instance.Reboot.Graceful = time.Hour
			}
			require.NoError(t, server.AddInstance(instance))
			p.refused(t, server, keys["access key"], command{Call: "reboot", Instance: instance.ID, Force: force, DryRun: true}, "DryRunOperation", 400)
			call := server.Calls()[0]
			assert.True(t, call.DryRun)
			assert.Equal(t, force, call.ForceStop)
			require.Zero(t, server.TotalReboots())

			server.ForgetCalls()
			answer := p.do(t, server.URL, keys["access key"], command{Call: "reboot", Instance: instance.ID, Force: force})
			require.Nil(t, answer.Error)
			calls := server.Calls()
			assert.Equal(t, "RebootInstance", calls[0].Action)
			assert.Equal(t, instance.ID, calls[0].InstanceID)
			assert.Equal(t, force, calls[0].ForceStop)
			assert.False(t, calls[0].DryRun)
			assert.Equal(t, 1, server.Reboots(instance.ID))
			assert.Equal(t, 1, server.TotalReboots())
			if p.libcloud { // has polled until the instance was Running again
				assert.True(t, answer.Proven)
				assert.Equal(t, ecsreboot.StatusRunning, server.Status(instance.ID))
				if force {
					assert.Len(t, calls, 2, "one poll is enough if the restart takes no time")
				}
				return
			}
			assert.Equal(t, calls[0].RequestID, answer.RequestID)
			assert.Len(t, calls, 1)
			if force {
				assert.Equal(t, ecsreboot.StatusRunning, server.Status(instance.ID))
				return
			}
			p.refused(t, server, keys["access key"], command{Call: "reboot", Instance: instance.ID}, "IncorrectInstanceStatus", 403)
			assert.Equal(t, 1, server.TotalReboots())
		})
	}
}

// clientIsRefused meets what the state of an instance refuses.
func clientIsRefused(t *testing.T, p *clientProcess) {
	server := newService(t, ecstest.Options{Allow: func(_, id string) bool { return id != "i-forbidden" }})
	for _, i := range []ecstest.Instance{
		{ID: "i-stopped", Status: ecsreboot.StatusStopped},
		{ID: "i-locked", Locks: []string{"security"}},
		{ID: "i-unpaid", Locks: []string{"financial"}},
		{ID: "i-forbidden"},
	} {
		require.NoError(t, server.AddInstance(i))
	}
	for instance, want := range map[string]string{
		"i-unknown": "InvalidInstanceId.NotFound", "i-stopped": "IncorrectInstanceStatus", "i-locked": "InstanceLockedForSecurity",
		"i-unpaid": "InstanceExpiredOrInArrears", "i-forbidden": "Forbidden.RAM",
	} {
		for _, dryRun := range []bool{true, false} {
			for _, force := range []bool{true, false} {
				do := command{Call: "reboot", Instance: instance, Force: force, DryRun: dryRun}
				p.refused(t, server, keys["access key"], do, want, documentedErrors[want])
			}
		}
	}
	assert.Zero(t, server.TotalReboots())
}

// clientKeys proves who it is, with permanent and temporary keys, right and wrong ones.
func clientKeys(t *testing.T, p *clientProcess) {
	for _, name := range []string{"access key", "STS token"} {
		for _, legacy := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/legacy errors=%v", name, legacy), func(t *testing.T) {
				k := keys[name]
				options := k.options()
				options.LegacyErrors = legacy
				server := newService(t, options)
				require.NoError(t, server.AddInstance(instance))
				check := func(k key, code, older string) {
					t.Helper()
					status := 400
					switch {
					case legacy:
						code = older
					case code == "InvalidAccessKeyId.NotFound":
						status = 404
					}
					p.refused(t, server, k, command{Call: "reboot", Instance: instance.ID}, code, status)
				}
				check(key{id: k.id, secret: "wrong", token: k.token}, "SignatureDoesNotMatch", "IncompleteSignature")
				check(key{id: "nobody", secret: k.secret, token: k.token}, "InvalidAccessKeyId.NotFound", "InvalidAccessKeyId.NotFound")
				check(key{id: k.id, secret: k.secret, token: "another"}, "InvalidSecurityToken.MismatchWithAccessKey", "InvalidParameter")
				if k.token != "" {
					check(key{id: k.id, secret: k.secret}, "MissingSecurityToken", "MissingParameter")
				}
				server.SetClockOffset(16 * time.Minute)
				check(k, "InvalidTimeStamp.Expired", "IllegalTimestamp")
				server.SetClockOffset(0)
				assert.Zero(t, server.TotalReboots())

				server.ForgetCalls()
				require.Nil(t, p.do(t, server.URL, k, command{Call: "reboot", Instance: instance.ID}).Error)
				assert.Equal(t, key{id: k.id, token: k.token}, inUse(server.Calls()[0]))
				assert.Equal(t, 1, server.Reboots(instance.ID))
				listed := p.do(t, server.URL, k, command{Call: "list", IDs: []string{instance.ID}})
				require.Nil(t, listed.Error)
				assert.Equal(t, []string{instance.ID}, listed.ids())
				assert.Equal(t, 1, server.TotalReboots())
			})
		}
	}
}

// clientIsThrottled meets the rate limit, and sends the restart once.
func clientIsThrottled(t *testing.T, p *clientProcess) {
	for _, header := range []ecstest.HintHeader{ecstest.NoHint, ecstest.HintRetryAfter, ecstest.HintRateLimitAPI, ecstest.HintRateLimitUser} {
		t.Run(string(header), func(t *testing.T) {
			// A bucket of one call, not to be filled again before the test ends.
			server := newService(t, ecstest.Options{LimitPerMinute: 1, LimitBurst: 1, ThrottleHint: header})
			require.True(t, server.TakeLimit("RebootInstance"))
			answer := p.refused(t, server, keys["access key"], command{Call: "reboot", Instance: id}, "Throttling.User", 400)
			if p.readsHint && header == ecstest.HintRetryAfter {
				assert.InDelta(t, 60_000, answer.Error.RetryAfter, 30_000, "milliseconds")
			}
			assert.Zero(t, server.TotalReboots())

			require.Nil(t, p.do(t, server.URL, keys["access key"], command{Call: "list", IDs: []string{id}}).Error, "the limit counts by operation")
			p.refused(t, server, keys["access key"], command{Call: "list", IDs: []string{id}}, "Throttling.User", 400)
		})
	}
}

// clientLosesResponse reports an error that is not one of the service, and does not
// send the restart again.
func clientLosesResponse(t *testing.T, p *clientProcess) {
	for name, lost := range map[string]ecstest.Fault{
		"reset":     {Kind: ecstest.FaultDrop, Act: true},
		"closed":    {Kind: ecstest.FaultFIN, Act: true},
		"half":      {Kind: ecstest.FaultHalfStatusLine, Act: true},
		"truncated": {Kind: ecstest.FaultTruncate},
		"502":       {Kind: ecstest.FaultAnswer, Act: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := newService(t, ecstest.Options{})
			server.Inject(lost)
			answer := p.do(t, server.URL, keys["access key"], command{Call: "reboot", Instance: id})
			require.NotNil(t, answer.Error)
			assert.Empty(t, answer.Error.Code)
			assert.Len(t, server.Calls(), 1)
			assert.Equal(t, 1, server.Reboots(id))
		})
	}
}

// clientPages reads a list of more than 250 instances, in every way that it knows.
func clientPages(t *testing.T, p *clientProcess) {
	server := newService(t, ecstest.Options{})
	all := []string{id}
	for n := range 257 {
		all = append(all, fmt.Sprintf("i-%03d", n))
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: all[n+1]}))
	}
	for _, paging := range p.pagings {
		t.Run(paging, func(t *testing.T) {
			server.ForgetCalls()
			answer := p.do(t, server.URL, keys["access key"], command{Call: "list", Paging: paging})
			require.Nil(t, answer.Error)
			assert.ElementsMatch(t, all, answer.ids())
			wanted := 3
			if p.libcloud || paging == "default" {
				wanted = 26 // of the service's own size
			}
			assert.Len(t, server.Calls(), wanted)
		})
	}
}

// clientSelects finds instances by id, tags and name, and reads what they are.
func clientSelects(t *testing.T, p *clientProcess) {
	server := newService(t, ecstest.Options{})
	start := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	for _, i := range []ecstest.Instance{
		{
			ID: "i-1", Name: "web-名称 +*&=1", Tags: awkward, Status: ecsreboot.StatusStopped, StartTime: start,
			HostName: "web1", InstanceType: "ecs.c7.xlarge", PrivateIPs: []string{"10.1.2.3"},
		},
		{ID: "i-2", Name: "web-2", Tags: map[string]string{"team": "a b+c*d~e/f", "role": "web"}},
		{ID: "i-3", Name: "WEB-3 db", Tags: map[string]string{"team": "another"}},
	} {
		require.NoError(t, server.AddInstance(i))
	}
	for name, test := range map[string]struct {
		command
		want []string
	}{
		"ids":           {command{IDs: []string{"i-2", "i-unknown", id}}, []string{id, "i-2"}},
		"awkward tags":  {command{Tags: awkward}, []string{"i-1"}},
		"a tag":         {command{Tags: map[string]string{"team": "a b+c*d~e/f"}}, []string{"i-1", "i-2"}},
		"two tags":      {command{Tags: map[string]string{"team": "a b+c*d~e/f", "role": "web"}}, []string{"i-2"}},
		"no such tag":   {command{Tags: map[string]string{"team": "nobody"}}, nil},
		"name":          {command{Name: "web-2"}, []string{"i-2"}},
		"awkward name":  {command{Name: "web-名称 +*&=1"}, []string{"i-1"}},
		"name, prefix":  {command{Name: "web-*"}, []string{"i-1", "i-2"}},
		"name, suffix":  {command{Name: "*db"}, []string{"i-3"}},
		"name and tags": {command{Name: "web-*", Tags: map[string]string{"role": "web"}}, []string{"i-2"}},
		"name and ids":  {command{Name: "*2", IDs: []string{"i-1", "i-2"}}, []string{"i-2"}},
	} {
		t.Run(name, func(t *testing.T) {
			test.Call = "list"
			answer := p.do(t, server.URL, keys["access key"], test.command)
			require.Nil(t, answer.Error)
			assert.ElementsMatch(t, test.want, answer.ids())
		})
	}

	answer := p.do(t, server.URL, keys["access key"], command{Call: "list", IDs: []string{"i-1"}})
	require.Nil(t, answer.Error)
	require.Len(t, answer.Instances, 1)
	want := clientInstance{ID: "i-1", Name: "web-名称 +*&=1", Status: "Stopped", HostName: "web1", InstanceType: "ecs.c7.xlarge", PrivateIP: "10.1.2.3"}
	if !p.libcloud { // whose nodes have neither
		want.StartTime, want.Tags = "2026-01-02T03:04Z", awkward
	}
	assert.Equal(t, want, answer.Instances[0])
	assert.Zero(t, server.TotalReboots())
}

// clientStaysHere checks that the scripts connect to 127.0.0.1 only.
func clientStaysHere(t *testing.T, p *clientProcess) {
	for _, endpoint := range []string{"http://127.0.0.2:1", "http://localhost:1"} {
		answer := p.do(t, endpoint, keys["access key"], command{Call: "reboot", Instance: id})
		require.NotNil(t, answer.Error)
		assert.Contains(t, answer.Error.Text, "refused to")
	}
}
