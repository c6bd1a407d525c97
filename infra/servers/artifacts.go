package servers

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/ulikunitz/xz"
)

// copyDependencies is the goal of Maven that fetches what a pom names.
const copyDependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

// stampFile in a folder of artifacts holds the hash of what was asked for, and is written last.
const stampFile = ".stamp"

// fetch brings a server's artifacts into a folder with Maven, unless exactly these are there.
func fetch(ctx context.Context, name, dir string, say func(string)) error {
	pom, err := files.ReadFile("files/" + name + ".pom.xml")
	if err != nil {
		return err
	}
	hash := sha256.Sum256(append(pom, copyDependencies+platform()...))
	stamp := hex.EncodeToString(hash[:])
	if have, err := os.ReadFile(filepath.Join(dir, stampFile)); err == nil && string(have) == stamp {
		return nil
	}
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("maven fetches the servers once and isn't there (%w): install it, or start Docker", err)
	}
	say(name + ": fetching with Maven, once")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	file := dir + ".pom.xml"
	if err := replaceFile(file, pom, 0o644); err != nil {
		return err
	}
	cmd := exec.Command(mvn, "-B", "-q", "-f", file, copyDependencies, "-DincludeScope=runtime", "-DoutputDirectory="+dir, "-Dplatform="+platform())
	if err := runQuietly(ctx, cmd); err != nil {
		return fmt.Errorf("fetch %s: %w", name, err)
	}
	say(name + ": fetched")
	return errors.Join(os.Remove(file), replaceFile(filepath.Join(dir, stampFile), []byte(stamp), 0o644))
}

// platform names this machine as the Postgres artifacts do.
func platform() string {
	arch := runtime.GOARCH
	if arch == "arm64" {
		arch = "arm64v8"
	}
	return runtime.GOOS + "-" + arch
}

// java makes a command of the JDK 17 that runs in a folder.
func java(dir string, args ...string) (*exec.Cmd, error) {
	path, err := findJava()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	return cmd, nil
}

var javaVersion = regexp.MustCompile(`version "(\d+)`)

// findJava looks for a Java 17, the one version that both Kafka 4 and Cassandra 5 run on: by JAVA_HOME, on the path,
// where Linux keeps them.
func findJava() (string, error) {
	var places []string
	if home := os.Getenv("JAVA_HOME"); home != "" {
		places = append(places, filepath.Join(home, "bin", "java"))
	}
	if path, err := exec.LookPath("java"); err == nil {
		places = append(places, path)
	}
	installed, err := filepath.Glob("/usr/lib/jvm/*17*/bin/java")
	if err != nil {
		return "", err
	}
	var seen []string
	for _, place := range append(places, installed...) {
		out, err := exec.Command(place, "-version").CombinedOutput()
		if err != nil {
			seen = append(seen, fmt.Sprintf("%s: %v", place, err))
			continue
		}
		if version := javaVersion.FindSubmatch(out); version != nil && string(version[1]) == "17" {
			return place, nil
		}
		line, _, _ := strings.Cut(string(out), "\n")
		seen = append(seen, place+": "+line)
	}
	return "", fmt.Errorf("kafka and Cassandra run on Java 17: install a JDK 17 and set JAVA_HOME to it, or start Docker; seen: [%s]", strings.Join(seen, "; "))
}

// unpackPostgres unpacks the one archive in the one jar of a folder, unless it is unpacked.
func unpackPostgres(jars, dir string) error {
	stamp, err := os.ReadFile(filepath.Join(jars, stampFile))
	if err != nil {
		return err
	}
	if have, err := os.ReadFile(filepath.Join(dir, stampFile)); err == nil && string(have) == string(stamp) {
		return nil
	}
	found, err := filepath.Glob(filepath.Join(jars, "*.jar"))
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("%s holds %d jars in place of one: remove the folder", jars, len(found))
	}
	jar, err := zip.OpenReader(found[0])
	if err != nil {
		return err
	}
	defer jar.Close()
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, entry := range jar.File {
		if strings.HasSuffix(entry.Name, ".txz") {
			if err := unpackTxz(entry, dir); err != nil {
				return fmt.Errorf("unpack %s of %s: %w", entry.Name, found[0], err)
			}
			return replaceFile(filepath.Join(dir, stampFile), stamp, 0o644)
		}
	}
	return fmt.Errorf("%s holds no .txz", found[0])
}

func unpackTxz(entry *zip.File, dir string) error {
	packed, err := entry.Open()
	if err != nil {
		return err
	}
	defer packed.Close()
	unpacked, err := xz.NewReader(bufio.NewReader(packed))
	if err != nil {
		return err
	}
	archive := tar.NewReader(unpacked)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(header.Name) {
			return fmt.Errorf("the name %q leads out of the folder", header.Name)
		}
		if err := unpackOne(archive, header, filepath.Join(dir, header.Name)); err != nil {
			return err
		}
	}
}

func unpackOne(archive io.Reader, header *tar.Header, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(path, 0o755)
	case tar.TypeSymlink:
		return os.Symlink(header.Linkname, path)
	case tar.TypeReg:
		mode := fs.FileMode(0o644)
		if header.FileInfo().Mode()&0o100 != 0 {
			mode = 0o755
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, archive)
		// Whatever the umask: another user reads and runs it.
		return errors.Join(err, f.Chmod(mode), f.Close())
	default:
		return fmt.Errorf("%s has the unexpected type %q", header.Name, header.Typeflag)
	}
}
