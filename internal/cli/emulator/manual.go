package emulator

import page "github.com/ecsreboot/ecsreboot/internal/cli/manual"

// flags documents flags.
func flags(names ...string) string { return page.Flags(new(Settings).Flags(), names...) }

// Faults documents the values of --fault.
const Faults = `  kind:
    drop, fin, half-status-line   break the connection instead of responding
    refuse                        break the connection before reading the
                                  request
    hang                          send no response
    stall                         stop in the middle of the response
    truncate                      send a response that is cut short
    error                         send an error of the service
    throttle                      send a rate limit error
    answer                        send a given response, by default a proxy's
                                  502 page
    delay                         send the usual response, later
  times is how many calls fail: a number, by default 1, or all.
  option:
    act                           execute the call before it fails
    refuse=DiskError              refuse the call with this code, whatever the
                                  response says
    action=RebootInstance         fail only calls of this action, including dry
                                  runs, which the preflight of a run sends
    real                          fail only calls that are not dry runs
    id=<instance-id>              fail only calls for this instance
    skip=2                        let two such calls pass first
    delay=5s                      wait before the fault
    hint=30s                      how long a throttled client should wait
    status=503, code=X, body=...  set these of the response; body must be last
`

// usage is the -h page, manual the page of help. The tests hold that the manual has
// every flag and every kind of fault, and that both fit 80 columns.
const usage = `emulator serves a fake ECS service on a loopback port, until it is interrupted.
The first line on stdout is its URL; calls are logged on stderr.

Usage:
  emulator [flags]
  emulator help     print the manual

Flags:
  --addr <host:port>    loopback address to listen on; default a free port
  --count <n>           serve n instances, i-00000001 and on
  --tag <key=value>     tag of the instances
  --reboot-time <time>  how long a restart takes; default 30s, or 10s by force
  --fault <fault>       make calls fail, such as drop,real,action=RebootInstance

Examples:
  emulator --addr 127.0.0.1:8080
  emulator --count 12 --tag role=web --reboot-time 5s
  emulator --fault drop,act,real,action=RebootInstance
`

var manual = `emulator serves a fake ECS service on a loopback port, until it is interrupted.
The first line on stdout is its URL; calls are logged on stderr.

Usage: emulator [flags]

Service:
` + flags("addr", "region", "key-id", "key-secret", "security-token", "bearer-token", "limit", "audit-delay", "deny") + `
Instances:
` + flags("instances", "count", "zones", "tag", "reboot-time", "reboot-jitter", "stopped", "locked", "expired") + `
Output:
` + flags("restart-log", "quiet") + `
Faults:
` + flags("fault") + Faults + `
Examples:
  A fleet, and a file of what really happens to it:
    emulator --quiet --count 300 --zones a,b,c --tag role=web,web,queue \
      --limit 100 --reboot-time 5s --reboot-jitter 5s --restart-log restarts.log
  A restart that happens although its response is lost, then a proxy's page
  instead of every list:
    emulator --fault drop,act,real,action=RebootInstance \
      --fault answer:all,action=DescribeInstances
  With the URL in $URL and the port in $PORT, the vendor's CLI calls it:
    aliyun ecs RebootInstance --InstanceId i-bp67acfmxazb4ph0001 \
      --endpoint 127.0.0.1:$PORT --insecure --region cn-hangzhou \
      --mode AK --access-key-id testid --access-key-secret testsecret
  curl cannot sign, so it uses the bearer token:
    curl -X POST \
      "$URL/?SignatureType=BEARERTOKEN&InstanceId=i-bp67acfmxazb4ph0001" \
      -H "x-acs-action: RebootInstance" -H "x-acs-version: 2014-05-26" \
      -H "x-acs-bearer-token: testtoken" \
      -H "x-acs-signature-nonce: $RANDOM$RANDOM" \
      -H "x-acs-date: $(date -u +%Y-%m-%dT%H:%M:%SZ)"

Exit codes:
  0  interrupted, as intended
  1  the service failed to start, or the log of restarts is incomplete
  2  invalid usage
`
