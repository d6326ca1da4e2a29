package witness

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/witness/internal/call"
)

const consoleName = "GetInstanceConsoleOutput"

var getConsoleOutput = call.Operation{Service: call.ECS, Action: consoleName, RAM: "ecs:GetInstanceConsoleOutput"}

const (
	// maxConsole is how many bytes of a console are returned.
	maxConsole = 16 << 10
	// consolePause is the time between calls, because many instances of a run may fail at once.
	consolePause = 100 * time.Millisecond
)

// ConsoleOutput is what the console of an instance showed during its last start, restart
// or stop.
type ConsoleOutput struct {
	// Text is the end of the output, at most 16 KiB, without control characters except line
	// ends. Values that look like passwords, keys and tokens are replaced by "***", but not
	// every secret can be recognized: treat the text as confidential.
	Text string
	// Cut reports whether Text lacks earlier output.
	Cut bool
	// UpdatedAt is the time of the last line, by the service's clock; zero if the service
	// does not report it.
	UpdatedAt time.Time
}

// Console reads the console output of an instance, which may show why the instance does not
// come back from a restart. Console needs the permission ecs:GetInstanceConsoleOutput.
// Windows instances have no console output.
//
// In a fleet, use [ConsoleIn].
func Console(ctx context.Context, region, instanceID string, options Options) (ConsoleOutput, error) {
	paced, err := options.paced(consoleName, 0)
	if err != nil {
		return ConsoleOutput{}, err
	}
	return readConsole(ctx, paced, region, instanceID)
}

// ConsoleIn returns a function for [fleet.Options].Console, which adds the console output of
// an instance that did not come back to the report of a run. The argument region is used for
// targets without a region, as in a plan of one region. The function makes at most ten calls
// a second, for all targets together.
func ConsoleIn(region string, options Options) (func(context.Context, fleet.Target) (string, error), error) {
	paced, err := options.paced(consoleName, consolePause)
	if err != nil {
		return nil, err
	}
	if err := call.CheckRegion(region); err != nil {
		return nil, err
	}
	return func(ctx context.Context, target fleet.Target) (string, error) {
		output, err := readConsole(ctx, paced, cmp.Or(target.Region, region), target.ID)
		return output.Text, err
	}, nil
}

func readConsole(ctx context.Context, paced *pacedCaller, region, instanceID string) (ConsoleOutput, error) {
	if err := errors.Join(call.CheckRegion(region), call.CheckID(instanceID)); err != nil {
		return ConsoleOutput{}, err
	}
	var answer struct {
		InstanceID     string `json:"InstanceId"`
		ConsoleOutput  string
		LastUpdateTime string
	}
	if err := paced.do(ctx, getConsoleOutput, region, map[string]string{"RegionId": region, "InstanceId": instanceID}, &answer); err != nil {
		return ConsoleOutput{}, err
	}
	if answer.InstanceID != "" && answer.InstanceID != instanceID {
		return ConsoleOutput{}, fmt.Errorf("%s: the response is for another instance", getConsoleOutput.Action)
	}
	raw, err := base64.StdEncoding.DecodeString(answer.ConsoleOutput)
	if err != nil {
		return ConsoleOutput{}, fmt.Errorf("%s: the output cannot be read", getConsoleOutput.Action)
	}
	output := ConsoleOutput{}
	output.Text, output.Cut = cleanConsole(string(raw))
	output.UpdatedAt, _ = time.ParseInLocation(time.DateTime, answer.LastUpdateTime, time.FixedZone("Asia/Shanghai", 8*60*60)) // zero if the time cannot be parsed
	return output, nil
}

const (
	// space matches what may stand before a value: spaces and line ends, and the kernel's time at
	// the beginning of the next line.
	space = `(?:\s*\[\s*\d+\.\d+\])?\s*`
	value = `(?:bearer\s+|basic\s+)?(?:"(?:\\.|[^"\\\n])*"?|'[^'\n]*'|\S+)`
)

var (
	// escapes matches the control sequences of a terminal, and the texts that it does not show.
	escapes = regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]|\x1b[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)|\x1b[ -/]*[0-~]")
	// privateKeys matches private keys in PEM, complete or cut off.
	privateKeys = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\z)`)
	// keyIDs matches access key IDs. hashes matches password hashes, as in /etc/shadow.
	keyIDs = regexp.MustCompile(`\b(LTAI|STS\.)[0-9A-Za-z]{12,}`)
	hashes = regexp.MustCompile(`\$(?:[1567]|2[abxy]|g?y)\$[./0-9A-Za-z$=,-]{8,}`)
	// secrets match values that follow the name of a secret: directly, in the rest of a line
	// that names a password, in a sentence, in Chinese, and as the argument of a command.
	secrets = []*regexp.Regexp{
		regexp.MustCompile(`(?i)((?:password|passwd|passphrase|passcode|psk|secret|token|credential|api[_-]?key|access[_-]?key(?:[_-]?(?:id|secret))?|authorization)s?["']?(?:\s+(?:is|for\s+\S+|of\s+\S+))*\s*[:=：＝|][:=>]*` + space + `)` + value),
		regexp.MustCompile(`(?i)((?:password|passwd|passphrase|passcode)\s[^\n:=：＝]{0,80}[:=：＝]` + space + `)[^\n]+`),
		regexp.MustCompile(`(?i)((?:password|passwd|passphrase|passcode)\s+(?:(?:has|been|was|is|now|set|reset|changed)\s+)*(?:is|was|to)\s` + space + `)(?:"[^"\n]*"?|[^\s:=：＝]\S*)`),
		regexp.MustCompile(`((?:密码|口令|密钥|令牌)[^\n:=：＝]{0,40}?[为是:=：＝]+` + space + `)` + value),
		regexp.MustCompile(`(?i)((?:\s--?[a-z-]*(?:password|passwd|passphrase|secret|token|key)\s|\bsshpass\s+-p)\s*)` + value),
	}
	// chpasswd matches a password in the input of the command chpasswd.
	chpasswd = regexp.MustCompile(`(\S+:)\S+(["']?\s*\|\s*(?:sudo\s+)?chpasswd)`)
	// passwords matches the end of a line after which cloud-init lists users and their
	// passwords. account matches one line of this list.
	passwords = regexp.MustCompile(`(?i)passwords\W*$`)
	account   = regexp.MustCompile(`^((?:.*\s)?["']?[\w.-]+:)[^\s:]\S*\s*$`)
)

// cleanConsole returns the end of a console's output without secrets and control characters.
// It removes secrets before it cuts, so that a secret is never separated from its name.
//
// A fleet run cleans the output again, by the stricter rules of internal/console in the root
// module. This module does not import internal packages of the root module.
func cleanConsole(raw string) (text string, cut bool) {
	raw = printable(raw)
	raw = privateKeys.ReplaceAllString(raw, "***")
	raw = keyIDs.ReplaceAllString(raw, "***")
	raw = hashes.ReplaceAllString(raw, "***")
	raw = withoutPasswords(raw)
	for _, secret := range secrets {
		raw = secret.ReplaceAllString(raw, "${1}***")
	}
	raw = chpasswd.ReplaceAllString(raw, "${1}***${2}")
	if len(raw) <= maxConsole {
		return raw, false
	}
	raw = raw[len(raw)-maxConsole:]
	if _, rest, found := strings.Cut(raw, "\n"); found {
		raw = rest // begin with a complete line
	}
	return strings.ToValidUTF8(raw, ""), true
}

// printable returns a text as a terminal shows it: printable characters and line ends.
func printable(raw string) string {
	raw = strings.ToValidUTF8(strings.ReplaceAll(escapes.ReplaceAllString(raw, ""), "\r\n", "\n"), "?")
	shown := make([]rune, 0, len(raw))
	for _, c := range raw {
		switch last := len(shown) - 1; {
		case c == '\n', unicode.IsPrint(c):
			shown = append(shown, c)
		case c == '\t', c == '\r':
			shown = append(shown, ' ')
		case c == '\b' && last >= 0 && shown[last] != '\n':
			shown = shown[:last]
		}
	}
	return string(shown)
}

// withoutPasswords replaces the passwords that cloud-init lists.
func withoutPasswords(text string) string {
	lines, listed := strings.Split(text, "\n"), false
	for i, line := range lines {
		if listed = listed && account.MatchString(line); listed {
			lines[i] = account.ReplaceAllString(line, "${1}***")
			continue
		}
		listed = passwords.MatchString(line)
	}
	return strings.Join(lines, "\n")
}
