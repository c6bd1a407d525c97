package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"
	"golang.org/x/sync/errgroup"
)

// stopTimeout is how long a server may take to stop in good order before it is killed, and how long a killed one may
// hold its port.
const stopTimeout = 30 * time.Second

// processes is the engine that runs the servers as local processes, detached from the program that started them.
type processes struct{ c *Cluster }

func (p processes) provide(ctx context.Context, missing []server, say func(string)) error {
	if _, err := findJava(); err != nil {
		return err
	}
	unlock, err := lock(ctx, p.c.jars)
	if err != nil {
		return err
	}
	defer unlock()
	group, groupCtx := errgroup.WithContext(ctx)
	fetched := map[string]bool{}
	for _, s := range missing {
		if kind := s.kind(); !fetched[kind] {
			fetched[kind] = true
			group.Go(func() error { return fetch(groupCtx, kind, filepath.Join(p.c.jars, kind), say) })
		}
	}
	return group.Wait()
}

func (p processes) launch(ctx context.Context, s server, at site, st *state) (<-chan error, error) {
	if err := os.MkdirAll(at.home, 0o755); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx, at); err != nil {
		return nil, err
	}
	cmd, err := s.command(at)
	if err != nil {
		return nil, err
	}
	out, err := p.newLog(s)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// A session of its own: Ctrl-C in the terminal that started it doesn't reach it.
	cmd.SysProcAttr.Setsid = true
	if p.c.tied {
		Tie(cmd)
	}
	started, exited, known := make(chan error, 1), make(chan error, 1), make(chan struct{})
	go func() { // also takes the zombie away when this program outlives the server
		// The kernel takes a tied process for that of the thread which started it: the thread must live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		<-known // a process that has ended already can be asked for its creation until somebody waits for it
		if err = cmd.Wait(); err == nil {
			err = errors.New("exit status 0")
		}
		exited <- err
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	pid := int32(cmd.Process.Pid)
	created, err := creation(ctx, pid)
	close(known)
	if err == nil {
		err = st.setProcess(s.name(), pid, created)
	}
	if err != nil {
		// What can't be written down can't be stopped later.
		return nil, errors.Join(err, cmd.Process.Kill())
	}
	return exited, nil
}

// newLog begins a new log for a start and keeps the one before.
func (p processes) newLog(s server) (*os.File, error) {
	path := p.log(s)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := os.Rename(path, path+".before"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
}

func (p processes) log(s server) string { return filepath.Join(p.c.dir, logFolder, s.name()+".log") }

func (p processes) alive(ctx context.Context, s server, st *state) bool {
	in := st.instance(s.name())
	return same(ctx, in.Pid, in.Created) != nil
}

func (p processes) stop(ctx context.Context, s server, st *state, hard bool) error {
	in := st.instance(s.name())
	proc := same(ctx, in.Pid, in.Created)
	if proc == nil {
		return st.setProcess(s.name(), 0, 0)
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if !hard {
		if err := proc.SendSignalWithContext(ctx, s.stopSignal()); err != nil {
			return err
		}
		hard = !gone(ctx, in)
	}
	if hard {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer stop()
		if err := killFamily(ctx, proc, in); err != nil {
			return err
		}
	}
	at := p.c.site(s, st)
	for name, port := range at.ports {
		if name == proxyPort {
			continue
		}
		if err := waitClosed(ctx, net.JoinHostPort(at.host, strconv.Itoa(port))); err != nil {
			return err
		}
	}
	return st.setProcess(s.name(), 0, 0)
}

// killFamily kills a server and its children. Postgres' children outlive it for a moment, and while one does it refuses
// to start again.
func killFamily(ctx context.Context, proc *process.Process, in instance) error {
	children, err := proc.ChildrenWithContext(ctx)
	if err != nil && !errors.Is(err, process.ErrorNoChildren) {
		children = nil // the server has just ended by itself
	}
	if err := proc.KillWithContext(ctx); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	family := []instance{in}
	for _, child := range children {
		created, err := child.CreateTimeWithContext(ctx)
		if err != nil {
			continue
		}
		if err := child.KillWithContext(ctx); err == nil {
			family = append(family, instance{Pid: child.Pid, Created: created})
		}
	}
	for _, member := range family {
		if !gone(ctx, member) {
			return fmt.Errorf("process %d is still there after kill -9", member.Pid)
		}
	}
	return nil
}

// gone waits until a process has ended and tells whether it did.
func gone(ctx context.Context, in instance) bool {
	for same(context.WithoutCancel(ctx), in.Pid, in.Created) != nil {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return true
}

// same returns the living process with an id and a creation time, or nil: another process may have got the id, and a
// zombie has it still.
func same(ctx context.Context, pid int32, created int64) *process.Process {
	if pid <= 0 {
		return nil
	}
	// The creation time is reckoned from the time of boot, which moves by a second when the clock is set.
	const clockStep = 1500
	now, err := creation(ctx, pid)
	if err != nil || now < created-clockStep || now > created+clockStep {
		return nil
	}
	proc := &process.Process{Pid: pid}
	status, err := proc.StatusWithContext(ctx)
	if err != nil || len(status) == 0 || status[0] == process.Zombie {
		return nil
	}
	return proc
}

// creation tells when a process was made, in ms since 1970.
func creation(ctx context.Context, pid int32) (int64, error) {
	return (&process.Process{Pid: pid}).CreateTimeWithContext(ctx)
}

func (p processes) tail(_ context.Context, s server) string {
	return tailOf(p.log(s))
}

// tailOf returns the last 40 lines of a log, under a line that names the file.
func tailOf(path string) string {
	const lines, bytesPerLine = 40, 400
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > lines*bytesPerLine {
		if _, err := f.Seek(-lines*bytesPerLine, io.SeekEnd); err != nil {
			return err.Error()
		}
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return "the end of " + path + ":\n  " + strings.Join(all[max(0, len(all)-lines):], "\n  ")
}

func (p processes) purge(context.Context) error {
	var errs []error
	for _, s := range p.c.servers {
		home := filepath.Join(p.c.dir, s.name())
		errs = append(errs, os.RemoveAll(home))
		if s.name() == Postgres {
			errs = append(errs, os.RemoveAll(outside(home)))
		}
	}
	return errors.Join(errs...)
}

// runQuietly runs a tool of a server and puts what it printed into the error.
func runQuietly(ctx context.Context, cmd *exec.Cmd) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		return errors.Join(ctx.Err(), fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, out.String()))
	}
	return nil
}
