package infra

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/alecthomas/kong"

	"binnacle/functions/rebuild"
	"binnacle/functions/verify"
	"binnacle/infra/node"
	"binnacle/infra/parts"
	"binnacle/infra/terminal"
)

// Embedded is a whole server inside another Go program: the doors as an http.Handler, projecting in the background.
type Embedded struct {
	node  *node.Node
	stop  context.CancelFunc
	ended chan error
}

// Embed starts a server with the flags of the serve command, as in Embed(ctx, logger, "--variant", "memory"). It
// doesn't listen: mount [Embedded.Handler]. The environment is read as by the command. Close it when done.
func Embed(ctx context.Context, logger *slog.Logger, flags ...string) (*Embedded, error) {
	var cli commandLine
	parser, err := kong.New(&cli, kong.Name("binnacle"), kong.Writers(io.Discard, io.Discard))
	if err != nil {
		return nil, err
	}
	if _, err := parser.Parse(append([]string{"serve"}, flags...)); err != nil {
		return nil, err
	}
	serve := &cli.Serve
	p, err := parts.Open(ctx, &cli.Config, logger, parts.Options{Create: !serve.NoInit, BlobCache: serve.BlobCache, SearchTimeout: serve.SearchTimeout, CommitWithin: serve.CommitWithin})
	if err != nil {
		return nil, err
	}
	n, err := node.New(ctx, p, serve.node())
	if err != nil {
		p.Close()
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	e := &Embedded{node: n, stop: stop, ended: make(chan error, 1)}
	go func() { e.ended <- n.Run(running) }()
	return e, nil
}

// Handler is the outer door: FHIR under its base path, /health, /metrics.
func (e *Embedded) Handler() http.Handler { return e.node.Handler }

// Rebuild makes a new generation of the index from the log and switches to it.
func (e *Embedded) Rebuild(ctx context.Context) error {
	_, err := makeGeneration(ctx, e.node.Parts, &terminal.Output{Out: io.Discard, Err: io.Discard}, func(*rebuild.Index) {})
	return err
}

// Verify compares log, blobs and index; an error tells what doesn't agree.
func (e *Embedded) Verify(ctx context.Context) error {
	report, err := verifyStorage(ctx, e.node.Parts, verify.Options{Deep: true}, terminal.NewProgress(io.Discard, "verify", "versions"))
	if err == nil && !report.OK {
		err = fmt.Errorf("the storage doesn't agree: %v", report.Problems)
	}
	return err
}

// Close stops the server in order and returns why it failed, if it had.
func (e *Embedded) Close() error {
	e.node.BeginStop()
	e.stop()
	err := <-e.ended
	e.node.Parts.Close()
	return err
}
