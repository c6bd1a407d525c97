package servers

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// owner is the user that Postgres runs as. It refuses to run as root, so root hands it to an unprivileged user.
type owner struct {
	other    bool // another user than ourselves
	uid, gid int
}

func postgresOwner() (owner, error) {
	if os.Geteuid() != 0 {
		return owner{}, nil
	}
	for _, name := range []string{"nobody", "daemon"} {
		// initdb wants a user with a name, so one that exists.
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.Atoi(u.Uid)
		gid, errGID := strconv.Atoi(u.Gid)
		if err := errors.Join(errUID, errGID); err != nil {
			return owner{}, err
		}
		return owner{other: true, uid: uid, gid: gid}, nil
	}
	return owner{}, errors.New("postgres refuses to run as root and there is neither a user nobody nor daemon: run this as an unprivileged user")
}

// own gives a file to the owner.
func (o owner) own(path string) error {
	if !o.other {
		return nil
	}
	return os.Chown(path, o.uid, o.gid)
}

// home makes the folder where Postgres' files lie and returns its path: the one asked for, or, where the owner can't
// get to that (a checkout in /root), one in /var/tmp that belongs to it.
func (o owner) home(asked string) (string, error) {
	if err := os.MkdirAll(asked, 0o755); err != nil {
		return "", err
	}
	home := asked
	if o.other {
		reachable, err := open(asked)
		if err != nil {
			return "", err
		}
		if !reachable {
			home = outside(asked)
			if err := os.Mkdir(home, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return "", err
			}
			// /var/tmp is everybody's: a link or a folder that somebody else put there isn't ours.
			info, err := os.Lstat(home)
			if err != nil {
				return "", err
			}
			stat, ok := info.Sys().(*syscall.Stat_t)
			if !info.IsDir() || !ok || int(stat.Uid) != os.Geteuid() {
				return "", fmt.Errorf("%s isn't a folder of ours: remove it", home)
			}
		}
		return home, os.Chmod(home, 0o755)
	}
	return home, nil
}

// outside names the folder that stands for one which other users can't enter.
func outside(path string) string {
	hash := sha256.Sum256([]byte(path))
	return filepath.Join("/var/tmp", "binnacle-postgres-"+hex.EncodeToString(hash[:8]))
}

// open tells whether any user can enter a folder: whether all folders above it allow that.
func open(path string) (bool, error) {
	for at := filepath.Dir(path); ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return false, err
		}
		if info.Mode().Perm()&0o001 == 0 {
			return false, nil
		}
		if at == filepath.Dir(at) {
			return true, nil
		}
	}
}

// command makes a command of one of Postgres' programs, run by the owner in the home folder, after unpacking them if
// needed.
func (o owner) command(at site, program string, args ...string) (*exec.Cmd, error) {
	home, err := o.home(at.home)
	if err != nil {
		return nil, err
	}
	programs, err := o.home(at.jars)
	if err != nil {
		return nil, err
	}
	if err := unpackPostgres(at.jars, filepath.Join(programs, "unpacked")); err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(programs, "unpacked", "bin", program), args...)
	cmd.Dir = home
	if o.other {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}}
	}
	return cmd, nil
}
