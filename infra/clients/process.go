package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"binnacle/infra/servers"
)

// start starts a process that is killed with the context, and ends with this program even when that is killed. What is
// returned waits for its end.
func start(ctx context.Context, cmd *exec.Cmd) (wait func() error, err error) {
	servers.Tie(cmd)
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		// The kernel takes a tied process for that of the thread which started it: the thread must live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if started <- err; err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	forget := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	return func() error {
		defer forget()
		return <-ended
	}, nil
}

// quietly runs a tool, and puts what it printed into the error.
func quietly(ctx context.Context, cmd *exec.Cmd) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	wait, err := start(ctx, cmd)
	if err != nil {
		return err
	}
	if err := wait(); err != nil {
		return errors.Join(ctx.Err(), fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, out.String()))
	}
	return nil
}

// tail keeps the end of what a process prints.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - 16<<10; over > 0 {
		t.text = t.text[over:]
	}
	return len(p), nil
}

// lines are the last lines of it.
func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := strings.Split(strings.TrimRight(string(t.text), "\n"), "\n")
	return all[max(0, len(all)-20):]
}
