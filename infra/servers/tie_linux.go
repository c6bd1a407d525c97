package servers

import (
	"os/exec"
	"syscall"
)

// Tie makes a process that isn't started yet die with the thread that starts it, even when that is killed. The caller
// keeps the thread (see [runtime.LockOSThread]) for as long as the process shall live.
func Tie(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
