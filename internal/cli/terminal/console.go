package terminal

import (
	"io"
	"sync"
)

// The colors of a text; Plain ends them.
const (
	Green  = "\x1b[32m"
	Yellow = "\x1b[33m"
	Red    = "\x1b[31m"
	Plain  = "\x1b[0m"
)

// The escape sequences are those of the oldest terminals. The terminal cuts a line
// that is too long at its edge, whatever its width, instead of wrapping it: a
// wrapped line could not be redrawn in place.
const (
	lineBegin = "\r\x1b[?7l" // to the first column, no wrapping
	lineEnd   = "\x1b[K\x1b[?7h"
	eraseLine = "\r\x1b[K"
)

// Console writes lines and, below them, at most one line that is redrawn in place.
// It is safe for concurrent use.
type Console struct {
	mu   sync.Mutex
	w    io.Writer
	live string // what is drawn below the lines
}

// NewConsole returns a console that writes to w.
func NewConsole(w io.Writer) *Console { return &Console{w: w} }

// Write writes whole lines above the one that is redrawn.
func (c *Console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live == "" {
		return c.w.Write(b)
	}
	text := eraseLine + string(b) + c.live
	if _, err := io.WriteString(c.w, text); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Draw redraws the line.
func (c *Console) Draw(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live = lineBegin + line + lineEnd
	_, _ = io.WriteString(c.w, c.live)
}

// Finish draws the line for the last time, and ends it.
func (c *Console) Finish(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live = ""
	_, _ = io.WriteString(c.w, lineBegin+line+lineEnd+"\n")
}
