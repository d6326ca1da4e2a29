package emulator

// usage is the -h page, manual the page of help. The tests hold that the manual has
// every flag and every kind of fault, and that both fit 80 columns.
const usage = `emulator serves a fake ECS service on a loopback port, until it is interrupted.
The first line on stdout is its URL; calls are logged on stderr.

Usage:
  emulator [flags]
  emulator help     print the manual

Flags:
  -addr <host:port>    loopback address to listen on; default a free port
  -count <n>           serve n instances, i-00000001 and on
  -tag <key=value>     tag of the instances
  -reboot-time <time>  how long a restart takes; default 30s, or 10s by force
  -fault <fault>       make calls fail, such as drop,act,action=RebootInstance

Examples:
  emulator -addr 127.0.0.1:8080
  emulator -count 12 -tag role=web -reboot-time 5s
  emulator -fault drop,act,action=RebootInstance
`

const manual = `emulator serves a fake ECS service on a loopback port, until it is interrupted.
The first line on stdout is its URL; calls are logged on stderr.

Usage: emulator [flags]

Service:
  -addr <host:port>      loopback address to listen on; default 127.0.0.1:0,
                         where port 0 is a free one
  -region <region>       the only region; default cn-hangzhou
  -key-id <id>           accepted access key; default testid
  -key-secret <secret>   its secret; default testsecret
  -bearer-token <token>  accepted bearer token; default testtoken, "" for
                         none
  -limit <calls>         rate limit of each action per minute; default 0, none

Instances:
  -instances <ids>       comma-separated ids; default i-bp67acfmxazb4ph0001
  -count <n>             serve n instances, i-00000001 and on
  -zones <zones>         comma-separated zones of the region, by turns;
                         default a
  -tag <key=value,...>   tag of the instances, the values by turns; repeatable
  -reboot-time <time>    how long a restart takes; default 30s, or 10s by force;
                         negative: no time
  -reboot-jitter <time>  a restart takes up to this much longer, drawn for each
                         instance

Output:
  -restart-log <file>    append a line for each restart that really happens
  -quiet                 log no calls

Faults:
  -fault <kind[:times][,option]...>  make calls fail; repeatable
  kind:
    drop, fin, half-status-line   break the connection instead of responding
    refuse                        break it before the request is read
    hang, stall, truncate         no response; one that stops half-way; one cut
                                  short
    error, throttle, answer       an error; a rate limit; a given response, by
                                  default a proxy's 502 page
    delay                         the usual response, later
  times is how many calls fail: 1 by default, or all. Options:
    act                           execute the call before it fails
    action=RebootInstance         only calls of this action
    id=<instance-id>              only calls for this instance
    skip=2                        let two such calls pass first
    delay=5s                      wait first
    hint=30s                      how long a throttled response asks to wait
    status=503, code=X, body=...  of the response; body is the last option

Examples:
  A fleet, and a file of what really happens to it:
    emulator -quiet -count 300 -zones a,b,c -tag role=web,web,queue -limit 100 \
      -reboot-time 5s -reboot-jitter 5s -restart-log restarts.log
  A restart that happens although its response is lost, then a proxy's page
  instead of every list:
    emulator -fault drop,act,action=RebootInstance \
      -fault answer:all,action=DescribeInstances
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
