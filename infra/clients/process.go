package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"

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
