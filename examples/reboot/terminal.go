package main

import (
	"io"
	"os"
	"sync"
)

// isTerminal reports whether a stream is a character device. So is /dev/null,
// which answers nothing; see confirm.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// redraws reports whether a terminal can and should redraw a line. CI systems may
// give a terminal to programs whose output only goes to a log.
func redraws(getenv func(string) string) bool {
	switch getenv("TERM") {
	case "", "dumb":
		return false
	}
	switch getenv("CI") {
	case "", "0", "false":
		return true
	}
	return false
}

// The escape sequences, of the oldest terminals. A line that is too long for the
// terminal is cut at its edge, whatever its width, instead of wrapped: a wrapped
// line could not be redrawn in place.
const (
	lineBegin = "\r\x1b[?7l" // to the first column, no wrapping
	lineEnd   = "\x1b[K\x1b[?7h"
	eraseLine = "\r\x1b[K"
	green     = "\x1b[32m"
	yellow    = "\x1b[33m"
	red       = "\x1b[31m"
	plain     = "\x1b[0m"
)

// console is stderr: lines and, below them, at most one that is redrawn in place.
// The emulated service and the redrawing write from goroutines of their own.
type console struct {
	mu   sync.Mutex
	w    io.Writer
	live string // what is drawn below the lines
}

// Write writes whole lines above the one that is redrawn.
func (c *console) Write(b []byte) (int, error) {
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

// draw draws the line anew.
func (c *console) draw(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live = lineBegin + line + lineEnd
	_, _ = io.WriteString(c.w, c.live)
}

// settle draws the line for the last time.
func (c *console) settle(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live = ""
	_, _ = io.WriteString(c.w, lineBegin+line+lineEnd+"\n")
}
