package exitcode

import (
	"fmt"
	"strings"
)

// Table has the meaning of each exit code, in the order of the codes.
var Table = []struct {
	Code    int
	Meaning []string // lines
}{
	{Done, []string{"the restarts are proven, the service accepted the restart", "(--no-wait), or the check passed"}},
	{Failed, []string{"a restart was refused or failed, or an instance was skipped;", "stdout names these instances. Or the command failed before it", "sent anything"}},
	{Usage, []string{"invalid usage; nothing was sent"}},
	{Unknown, []string{"an instance may have restarted, but there is no proof: look at", "it, or run resolve. This code takes precedence over the others"}},
	{Throttled, []string{"held back by a rate limit; nothing restarted"}},
	{NoCredentials, []string{"no usable credentials; nothing more was sent"}},
	{Halted, []string{"the run halted: failure budget exceeded, failed canary, limit", "used up, not approved, or no permission; some instances may", "have restarted"}},
	{Busy, []string{"another process holds the journal; nothing was done"}},
	{Finished, []string{"the run of the journal is finished; nothing was sent"}},
	{Interrupted, []string{"interrupted or stopped; resume continues a run"}},
}

// Manual returns the table as text.
func Manual() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, row := range Table {
		for i, line := range row.Meaning {
			code := ""
			if i == 0 {
				code = fmt.Sprint(row.Code)
			}
			fmt.Fprintf(&b, "  %-4s %s\n", code, line)
		}
	}
	b.WriteString("  Any other code, such as 137 for a killed process, means that restarts may\n" +
		"  have been sent: run resume with the journal, or look at the instance.\n")
	return b.String()
}
