package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
	"github.com/ecsreboot/ecsreboot/witness"
)

// The values of --witness.
const (
	witnessTrail     = "actiontrail"
	witnessStates    = "states"
	witnessHeartbeat = "heartbeat"
	witnessConsole   = "console"
	witnessNone      = "none"
)

var witnessNames = []string{witnessTrail, witnessStates, witnessHeartbeat, witnessConsole, witnessNone}

// witnessFlag lists witnesses, each once.
type witnessFlag []string

func (w *witnessFlag) Type() string   { return "names" }
func (w *witnessFlag) String() string { return strings.Join(*w, ",") }

func (w *witnessFlag) Set(text string) error {
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		switch {
		case !slices.Contains(witnessNames, name):
			return fmt.Errorf("unknown witness %q, want actiontrail, states, heartbeat, console or none", name)
		case slices.Contains(*w, name):
			return fmt.Errorf("witness %q is repeated", name)
		}
		*w = append(*w, name)
	}
	if len(*w) > 1 && slices.Contains(*w, witnessNone) {
		return errors.New("none contradicts the other names")
	}
	return nil
}

// The help of --witness.
const (
	witnessUsage = "read the records of the cloud with these `names`, separated by commas. Each needs a permission; see help witness. Repeatable\n" +
		"- actiontrail shows whether a request whose response was lost arrived. It costs no call for 10 minutes, then one every 30 s for each such request\n" +
		"- states shows whether the instance was down after such a request. It costs a call every 30 s for each\n" +
		"- heartbeat makes an instance healthy only when its agent has reported, 1 to 3 minutes after the start. It costs a call for up to 100 instances\n"
	witnessUsageConsole = "- console keeps the console output of an instance that did not come back, which may show secrets. It costs one call\n"
	witnessUsageEnd     = "- none reads nothing"
)

// addWitness adds the flags of the witnesses. Those of a durable run are flags of worker.
func (s *settings) addWitness() {
	s.add(groupWitness, func(flags *pflag.FlagSet) {
		text := witnessUsage + witnessUsageConsole + witnessUsageEnd
		if s.command == "worker" {
			text = witnessUsage + witnessUsageEnd
		}
		if s.command == "resume" || s.command == "resolve" {
			text += "\nDefault: as before"
		}
		flags.Var(&s.witness, "witness", text)
		if s.command == "worker" { // the settings of a run say the rest
			return
		}
		flags.DurationVar(&s.witnessTimeout, "witness-timeout", 0, "how long the witnesses are asked about a request, from when it was sent; "+
			"0 for no limit. "+s.byDefault("15m"))
	})
}

// completeWitness completes the last name in a value of --witness.
func completeWitness(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	before, last := "", typed
	if i := strings.LastIndexByte(typed, ','); i >= 0 {
		before, last = typed[:i+1], typed[i+1:]
	}
	var values []string
	for _, name := range witnessNames {
		if name == witnessConsole && cmd.Name() == "worker" {
			continue
		}
		if strings.HasPrefix(name, last) && !slices.Contains(strings.Split(before, ","), name) {
			values = append(values, before+name)
		}
	}
	return values, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// asks reports whether --witness names a witness.
func (s *settings) asks(name string) bool { return slices.Contains(s.witness, name) }

// checkConsole refuses --witness console for durable runs, which keep no console output: it
// would not fit into their histories.
func (s *settings) checkConsole() error {
	if s.temporal.Given() && s.asks(witnessConsole) {
		return cmdline.Errorf("--witness console is not for durable runs, which keep no console output")
	}
	return nil
}

// checkWitnessTimeout refuses a --witness-timeout without a witness that it limits. The
// names are complete if no plan can add any.
func (s *settings) checkWitnessTimeout(complete bool) error {
	if !s.has("witness-timeout") || s.asks(witnessTrail) || s.asks(witnessStates) || s.temporal.Given() {
		return nil // the workers of a durable run have the witnesses
	}
	switch {
	case len(s.witness) > 0:
		return cmdline.Errorf("--witness-timeout %v contradicts --witness %s; it limits actiontrail and states", s.witnessTimeout, s.witness.String())
	case complete:
		return cmdline.Errorf("--witness-timeout %v needs --witness actiontrail or states", s.witnessTimeout)
	}
	return nil
}

// heartbeats reports whether the heartbeat is a health check of the session.
func (s *settings) heartbeats() bool {
	return s.asks(witnessHeartbeat) && !s.waives(fleet.HookHealth) && !s.noHeartbeat
}

// isLocal reports whether an endpoint is on this machine, so that it is an emulated service
// that serves the records as well.
func isLocal(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// witnesses are the witnesses of a session.
type witnesses struct {
	program *program
	note    service.Note
	// byRegion have the witnesses of each region: the heartbeat is asked at the endpoint of
	// the region's client. The witnesses of all regions are the same unless a service is
	// emulated, because they limit the rate of an account.
	byRegion map[string]*regionWitnesses
	first    string // the region of targets that name none
}

type regionWitnesses struct {
	asked ecsreboot.Witness // nil: none
	beats *witness.Heartbeats
	// console reads the console of an instance; nil: none.
	console func(context.Context, fleet.Target) (string, error)
}

// newWitnesses makes the witnesses that a command line names.
func (p *program) newWitnesses(s *settings, clients *connections, note service.Note) (*witnesses, error) {
	if d := s.witnessTimeout; s.asks(witnessTrail) && d > 0 && d < trailDelay && !s.Emulate {
		note("--witness-timeout %v is shorter than %v, the time until ActionTrail shows a request: it may be over before the record is there\n", d, trailDelay)
	}
	w := &witnesses{program: p, note: note, byRegion: map[string]*regionWitnesses{}, first: clients.Region()}
	var shared ecsreboot.Witness // of the real services
	for _, connection := range append([]*service.Connection{clients.Connection}, clients.further...) {
		one := &regionWitnesses{}
		w.byRegion[connection.Region()] = one
		own := witness.Options{Credential: connection.Credential(), Endpoint: connection.Endpoint(), HTTPClient: p.recordsClient}
		if connection.Server != nil {
			own.HTTPClient = connection.Server.HTTPClient()
		}
		var err error
		if s.heartbeats() {
			if one.beats, err = witness.NewHeartbeats(own); err != nil {
				return nil, err
			}
		}
		if s.asks(witnessConsole) {
			if one.console, err = witness.ConsoleIn(connection.Region(), own); err != nil {
				return nil, err
			}
		}
		if one.asked = shared; shared != nil {
			continue
		}
		local := isLocal(own.Endpoint)
		if !local {
			own.Endpoint = "" // of ECS
		}
		if one.asked, err = w.ask(s, own, local); err != nil {
			return nil, err
		}
		if !local {
			shared = one.asked
		}
	}
	return w, nil
}

// ask returns what asks ActionTrail and CloudMonitor, or nil.
func (w *witnesses) ask(s *settings, options witness.Options, local bool) (ecsreboot.Witness, error) {
	var trail, states ecsreboot.Witness
	if s.asks(witnessTrail) {
		made, err := witness.NewActionTrail(options)
		if err != nil {
			return nil, err
		}
		trail = &noted{Witness: made, name: witnessTrail, note: w.note}
		if local {
			trail = &hasty{trail}
		}
	}
	if s.asks(witnessStates) {
		made, err := witness.NewStateChanges(options)
		if err != nil {
			return nil, err
		}
		states = &noted{Witness: made, name: witnessStates, note: w.note}
		if local {
			states = &hasty{states}
		}
	}
	return witness.All(trail, states), nil
}

// Testify asks the witnesses of the request's region.
func (w *witnesses) Testify(ctx context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
	return w.byRegion[request.Region].asked.Testify(ctx, request)
}

// asked returns the witness for a request whose response was lost, or nil.
func (w *witnesses) asked() ecsreboot.Witness {
	if w.byRegion[w.first].asked == nil {
		return nil
	}
	return w
}

// health returns a health check that has the heartbeat and the given check, of which each
// may be absent. The heartbeat is asked first, because it must be later than the first
// question if nothing else shows when the instance started.
func (w *witnesses) health(given func(context.Context, fleet.Target) error) func(context.Context, fleet.Target) error {
	if w.byRegion[w.first].beats == nil {
		return given
	}
	var denied sync.Once
	return func(ctx context.Context, target fleet.Target) error {
		region := target.Region
		if region == "" {
			region = w.first
		}
		err := w.byRegion[region].beats.HealthIn(region)(ctx, target)
		if errors.Is(err, ecsreboot.ErrAccessDenied) {
			denied.Do(func() { w.note("%s\n", withoutWitness(witnessHeartbeat, err)) })
			err = nil
		}
		if err == nil && given != nil {
			err = given(ctx, target)
		}
		return err
	}
}

// probe returns a probe of the heartbeat of one instance, or nil.
func (w *witnesses) probe(id string) func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
	beats := w.byRegion[w.first].beats
	if beats == nil {
		return nil
	}
	ask := beats.Probe(w.first, id)
	var denied sync.Once
	return func(ctx context.Context, seen ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
		result, err := ask(ctx, seen)
		if errors.Is(err, ecsreboot.ErrAccessDenied) {
			denied.Do(func() { w.note("%s\n", withoutWitness(witnessHeartbeat, err)) })
			return ecsreboot.ProbeHealthy, nil
		}
		return result, err
	}
}

// console returns the function that reads the console of an instance that did not come
// back, or nil.
func (w *witnesses) console() func(context.Context, fleet.Target) (string, error) {
	if w.byRegion[w.first].console == nil {
		return nil
	}
	var denied sync.Once
	return func(ctx context.Context, target fleet.Target) (string, error) {
		output, err := w.byRegion[cmp.Or(target.Region, w.first)].console(ctx, target)
		if errors.Is(err, ecsreboot.ErrAccessDenied) {
			w.program.consoleDenied.Store(true)
			denied.Do(func() { w.note("%s\n", withoutWitness(witnessConsole, err)) })
		}
		return output, err
	}
}

// withoutWitness says that a permission is missing.
func withoutWitness(name string, err error) string {
	text := "continuing without the witness " + name + ": "
	if refused, ok := errors.AsType[*ecsreboot.APIError](err); ok && refused.AccessDenied.Action != "" {
		return text + "the permission for the RAM action " + refused.AccessDenied.Action + " is missing"
	}
	return text + err.Error()
}

// noted notes the first failure of a witness, and that a permission is missing.
type noted struct {
	ecsreboot.Witness

	name           string
	note           service.Note
	failed, denied sync.Once
}

func (n *noted) Testify(ctx context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
	testimony, err := n.Witness.Testify(ctx, request)
	switch {
	case err == nil, ctx.Err() != nil:
	case errors.Is(err, ecsreboot.ErrAccessDenied):
		n.denied.Do(func() { n.note("%s\n", withoutWitness(n.name, err)) })
	default:
		n.failed.Do(func() {
			n.note("the witness %s failed: %v; it is asked again while the outcome is unknown and --witness-timeout is not over\n", n.name, err)
		})
	}
	return testimony, err
}

const (
	// trailDelay is how long a witness waits for the records of the real services.
	trailDelay = 10 * time.Minute
	// hastyInterval is the time between questions to an emulated service.
	hastyInterval = time.Second
)

// hasty asks an emulated service, whose records are visible soon, without the patience that
// the real services need.
type hasty struct{ ecsreboot.Witness }

func (h *hasty) Testify(ctx context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
	request.SentAt = request.SentAt.Add(-trailDelay)
	testimony, err := h.Witness.Testify(ctx, request)
	testimony.AskAgain = min(testimony.AskAgain, hastyInterval)
	return testimony, err
}

// witnessTopic is the help topic of the witnesses.
func witnessTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "witness",
		Short: "records of the cloud about a restart",
		Long: reflow(`With --witness, a command also reads what the cloud records of a restart.

  actiontrail  ActionTrail, the audit log, shows whether a request whose
               response was lost arrived, and whether the service refused it.
               It shows a request after about 10 minutes. Needs permission for
               the RAM action actiontrail:LookupEvents
  states       the system events of CloudMonitor show the changes of the
               status of an instance, and prove a restart that no poll saw.
               Needs cms:DescribeSystemEventAttribute
  heartbeat    a restarted instance is ready when the agent of Cloud Assistant
               has sent a heartbeat, which takes 1 to 3 minutes. It must pass
               like --health-cmd and --health-url. Needs
               ecs:DescribeCloudAssistantStatus
  console      the console output of an instance that was restarted and did
               not come back, which may show why. It is read once, after the
               instance has failed. The last 16 KiB go into journal and
               report, without values that look like secrets. Not every
               secret is recognized. For one instance, restart prints the
               output. Not for durable runs. Needs
               ecs:GetInstanceConsoleOutput

If a permission is missing, the command says so once and continues without the
witness: an instance is then healthy without a heartbeat. If the witnesses have no
trace of a request, this proves nothing, and the instance stays unknown.

The witnesses use the credentials of the command. ActionTrail and CloudMonitor are
called at their public endpoints, even with --vpc or --endpoint. Heartbeat and console
are read from the endpoint of ECS. If that endpoint is on a loopback address, it is an
emulator, and all witnesses ask it.

Each restart request has a send ID, in its User-Agent as send/ID. To find the requests
of a run in ActionTrail by hand, search its events for "send/RUN.", where RUN is the
ID of the run.`),
		Annotations: map[string]string{},
	}
}
