package emulator

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot/ecstest"
)

// restartLog is a file with a line for each restart that really happened. A line is
// written before the response leaves, so that the file has the restarts of a client
// that was killed.
type restartLog struct {
	mu   sync.Mutex
	file *os.File
	err  error // of the first line that could not be written
}

func openRestartLog(name string) (*restartLog, error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600) //nolint:gosec // it is the user's
	return &restartLog{file: file}, err
}

func (l *restartLog) add(c ecstest.ReceivedCall) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range c.Restarted {
		if _, err := fmt.Fprintf(l.file, "%s %s\n", time.Now().UTC().Format(time.RFC3339Nano), id); err != nil && l.err == nil {
			l.err = err
		}
	}
}

func (l *restartLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.err, l.file.Close())
}
