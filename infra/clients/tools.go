package clients

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"golang.org/x/sync/errgroup"
)

// place is where the programs of one language can be run.
type place struct {
	tool    string // what runs them: java, node, python
	sources string // folder of the programs
	needs   string // folder of what was fetched for them
}

// java makes a command of a class of ours. It compiles little, because the programs are short.
func (p place) java(class string, args ...string) *exec.Cmd {
	return exec.Command(p.tool, append([]string{"-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
		p.sources + string(os.PathListSeparator) + filepath.Join(p.needs, "*"), class}, args...)...)
}

// language is what programs of one language need.
type language struct {
	name string // its folder
	list string // the file that names what is fetched
	// find returns the program that runs the language here. The error says in plain words what is missing.
	find func(ctx context.Context) (tool string, missing error)
	// fetch fetches what the list in the folder of sources names into an empty folder.
	fetch func(ctx context.Context, tool, sources, into string) error
	// finish makes the programs ready to run.
	finish func(ctx context.Context, at *place) error
}

// copyDependencies is the goal of Maven that fetches what a pom names.
const copyDependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

func languages() []language {
	return []language{
		{name: "java", list: "pom.xml",
			find: func(ctx context.Context) (string, error) {
				if _, err := exec.LookPath("mvn"); err != nil {
					return "", errors.New("mvn is not there: install Maven")
				}
				if _, err := newEnough(ctx, "javac", 17); err != nil {
					return "", err
				}
				return newEnough(ctx, "java", 17)
			},
			fetch: func(ctx context.Context, _, sources, into string) error {
				return quietly(ctx, exec.Command("mvn", "-B", "-q", "-f", filepath.Join(sources, "pom.xml"), copyDependencies,
					"-DincludeScope=runtime", "-DoutputDirectory="+into))
			},
			finish: func(ctx context.Context, at *place) error {
				files, err := filepath.Glob(filepath.Join(at.sources, "*.java"))
				if err != nil {
					return err
				}
				return quietly(ctx, exec.Command("javac", append([]string{"-nowarn", "-d", at.sources, "-cp",
					filepath.Join(at.needs, "*")}, files...)...))
			}},
		{name: "node", list: "package-lock.json",
			find: func(ctx context.Context) (string, error) {
				if _, err := exec.LookPath("npm"); err != nil {
					return "", errors.New("npm is not there: install Node and npm")
				}
				return newEnough(ctx, "node", 20)
			},
			fetch: func(ctx context.Context, _, sources, into string) error {
				for _, name := range []string{"package.json", "package-lock.json"} {
					text, err := os.ReadFile(filepath.Join(sources, name))
					if err != nil {
						return err
					}
					if err := os.WriteFile(filepath.Join(into, name), text, 0o644); err != nil {
						return err
					}
				}
				return quietly(ctx, exec.Command("npm", "ci", "--prefix", into, "--ignore-scripts", "--legacy-peer-deps",
					"--omit=optional", "--omit=peer", "--no-audit", "--no-fund"))
			},
			finish: func(_ context.Context, at *place) error { // Node looks for modules beside the program
				return os.Symlink(filepath.Join(at.needs, "node_modules"), filepath.Join(at.sources, "node_modules"))
			}},
		{name: "python", list: "requirements.txt",
			find: func(ctx context.Context) (string, error) {
				python, err := newEnough(ctx, "python3", 3)
				if err != nil {
					return "", err
				}
				if err := quietly(ctx, exec.Command(python, "-c", "import sys; assert sys.version_info >= (3, 10)")); err != nil {
					return "", fmt.Errorf("%s is older than 3.10: install a newer one", python)
				}
				if err := quietly(ctx, exec.Command(python, "-c", "import venv, ensurepip")); err != nil {
					return "", fmt.Errorf("%s has no venv: install it (python3-venv)", python)
				}
				return python, nil
			},
			fetch: func(ctx context.Context, tool, sources, into string) error {
				if err := quietly(ctx, exec.Command(tool, "-m", "venv", into)); err != nil {
					return err
				}
				return quietly(ctx, exec.Command(filepath.Join(into, "bin", "python"), "-m", "pip", "install", "--quiet",
					"--disable-pip-version-check", "--requirement", filepath.Join(sources, "requirements.txt")))
			},
			finish: func(_ context.Context, at *place) error {
				at.tool = filepath.Join(at.needs, "bin", "python")
				return nil
			}},
	}
}

var firstNumber = regexp.MustCompile(`\d+`)

// newEnough looks for a tool whose --version begins with at least a number.
func newEnough(ctx context.Context, name string, least int) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is not there: install version %d or a newer one", name, least)
	}
	out, err := exec.CommandContext(ctx, path, "--version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s does not tell its version: %w", path, err)
	}
	if have, err := strconv.Atoi(string(firstNumber.Find(out))); err != nil || have < least {
		return "", fmt.Errorf("%s is of version %s: install version %d or a newer one", path, firstNumber.Find(out), least)
	}
	return path, nil
}

// prepare makes the languages ready that the chosen programs need, in a folder. It says which are left out, and why.
func (r *Runner) prepare(ctx context.Context, folder string, chosen []program) (map[string]place, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("what the programs need is kept in the user's cache folder: %w", err)
	}
	cache = filepath.Join(cache, "binnacle", "clients")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	ready := map[string]place{}
	group, groupCtx := errgroup.WithContext(ctx)
	for _, l := range languages() {
		needed := 0
		for _, p := range chosen {
			if p.with == l.name {
				needed++
			}
		}
		if needed == 0 && l.name != "java" { // which the validator needs, too
			continue
		}
		tool, missing := l.find(ctx)
		if missing != nil {
			r.left += needed
			r.say(fmt.Sprintf("clients: the programs of %s are skipped, because %v", l.name, missing))
			continue
		}
		group.Go(func() error {
			at, err := l.ready(groupCtx, tool, folder, cache, r.say)
			if err != nil {
				return fmt.Errorf("prepare %s: %w", l.name, err)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			ready[l.name] = at
			return nil
		})
	}
	return ready, group.Wait()
}

// ready fetches what a language needs into the cache, unless it is there, and makes its programs ready in a folder.
func (l language) ready(ctx context.Context, tool, folder, cache string, say func(string)) (at place, err error) {
	sources, err := writeSources(l.name, folder)
	if err != nil {
		return place{}, err
	}
	list, err := os.ReadFile(filepath.Join(sources, l.list))
	if err != nil {
		return place{}, err
	}
	// Another version of the tool may need other files.
	version, err := exec.CommandContext(ctx, tool, "--version").CombinedOutput()
	if err != nil {
		return place{}, err
	}
	sum := sha256.Sum256(append(list, version...))
	at = place{tool: tool, sources: sources, needs: filepath.Join(cache, l.name+"-"+hex.EncodeToString(sum[:8]))}
	if _, err := os.Stat(at.needs); errors.Is(err, os.ErrNotExist) {
		say(fmt.Sprintf("clients: fetching what %s needs, once, into %s", l.name, at.needs))
		if err := l.fill(ctx, tool, sources, cache, at.needs); err != nil {
			return place{}, err
		}
	} else if err != nil {
		return place{}, err
	}
	return at, l.finish(ctx, &at)
}

// fill fetches what a language needs into a folder of the cache. It does so aside, so that what is there is whole,
// whoever does the same at the same time and however it ends.
func (l language) fill(ctx context.Context, tool, sources, cache, into string) (err error) {
	aside, err := os.MkdirTemp(cache, l.name+"-fetching-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(aside)) }()
	if err := l.fetch(ctx, tool, sources, aside); err != nil {
		return err
	}
	if err := os.Chmod(aside, 0o755); err != nil {
		return err
	}
	if err := os.Rename(aside, into); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}
