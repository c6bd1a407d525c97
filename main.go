// Binnacle is a log-first FHIR R4 resource server. See README.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"binnacle/infra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := infra.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
