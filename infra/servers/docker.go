package servers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The names of the engines, as they stand in the state and in $BINNACLE_SERVERS_ENGINE.
const (
	engineProcess = "process"
	engineDocker  = "docker"
)

// EnvEngine names the environment variable that decides between "process" and "docker"; without it Docker is used where
// its engine answers.
const EnvEngine = "BINNACLE_SERVERS_ENGINE"

// engine returns the way this cluster runs its servers. The first Up decides; Purge forgets it.
func (c *Cluster) engine(ctx context.Context, st *state) (engine, error) {
	name := os.Getenv(EnvEngine)
	if len(st.Servers) > 0 {
		name = st.Engine
	}
	if c.tied {
		name = engineProcess
	}
	if name == "" {
		name = engineProcess
		if dockerAnswers(ctx) {
			name = engineDocker
		}
	}
	switch name {
	case engineProcess:
		st.Engine = name
		return processes{c}, nil
	case engineDocker:
		st.Engine = name
		return containers{c}, nil
	}
	return nil, fmt.Errorf("%s is %q: set it to %s or %s, or leave it empty", EnvEngine, name, engineProcess, engineDocker)
}

// dockerAnswers tells whether there is a Docker engine with Compose: a client alone runs nothing.
func dockerAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return exec.CommandContext(ctx, "docker", "info").Run() == nil && exec.CommandContext(ctx, "docker", "compose", "version").Run() == nil
}

// containers is the engine that runs the servers by Docker Compose, a project for each cluster's folder.
type containers struct{ c *Cluster }

func (d containers) provide(_ context.Context, missing []server, say func(string)) error {
	say(fmt.Sprintf("docker: %d containers", len(missing)))
	text, err := files.ReadFile("files/docker.yaml")
	if err != nil {
		return err
	}
	return replaceFile(d.file(), text, 0o644)
}

func (d containers) file() string { return filepath.Join(d.c.dir, "docker.yaml") }

// provided tells whether this cluster ever had containers.
func (d containers) provided() bool {
	_, err := os.Stat(d.file())
	return err == nil
}

// compose makes a docker compose command; the ports and secrets reach the file as environment variables,
// KAFKA_CLIENT_PORT and so on.
func (d containers) compose(ctx context.Context, st *state, args ...string) *exec.Cmd {
	hash := sha256.Sum256([]byte(d.c.dir))
	project := "binnacle-servers-" + hex.EncodeToString(hash[:4])
	cmd := exec.CommandContext(ctx, "docker", append([]string{"compose", "-f", d.file(), "-p", project}, args...)...)
	cmd.Env = os.Environ()
	for _, s := range all() {
		upper := strings.ToUpper(s.name())
		in := instance{}
		if st != nil {
			in = st.instance(s.name())
		}
		for _, port := range s.ports() {
			cmd.Env = append(cmd.Env, fmt.Sprintf("%s_%s_PORT=%d", upper, strings.ToUpper(port), in.Ports[port]))
		}
		cmd.Env = append(cmd.Env, upper+"_SECRET="+in.Secret)
	}
	return cmd
}

func (d containers) launch(ctx context.Context, s server, _ site, st *state) (<-chan error, error) {
	if err := runQuietly(ctx, d.compose(ctx, st, "up", "--detach", "--no-deps", s.name())); err != nil {
		return nil, err
	}
	exited := make(chan error, 1)
	go func() { // ctx ends when the server is ready, or no longer waited for
		for ctx.Err() == nil {
			if !d.alive(ctx, s, st) && ctx.Err() == nil {
				exited <- errors.New("the container has ended")
				return
			}
			time.Sleep(2 * time.Second)
		}
	}()
	return exited, nil
}

func (d containers) alive(ctx context.Context, s server, st *state) bool {
	out, err := d.compose(ctx, st, "ps", "--status", "running", "--services").Output()
	return err == nil && slices.Contains(strings.Fields(string(out)), s.name())
}

func (d containers) stop(ctx context.Context, s server, st *state, hard bool) error {
	if !d.provided() || !d.alive(ctx, s, st) {
		return nil
	}
	args := []string{"stop", s.name()}
	if hard {
		args = []string{"kill", s.name()}
	}
	if err := runQuietly(ctx, d.compose(ctx, st, args...)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	return waitClosed(ctx, d.c.site(s, st).address())
}

func (d containers) tail(ctx context.Context, s server) string {
	out, err := d.compose(ctx, nil, "logs", "--no-color", "--tail", "40", s.name()).CombinedOutput()
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func (d containers) purge(ctx context.Context) error {
	if !d.provided() {
		return nil
	}
	return runQuietly(ctx, d.compose(ctx, nil, "down", "--volumes"))
}
