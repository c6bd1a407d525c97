package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pauses between attempts to listen again, and how often a connection that hears nothing is asked whether it is alive.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
	heartbeat  = 15 * time.Second
)

// pointerMoved begins the payload of a notification that tells of a switch; the others are positions.
const pointerMoved = "live "

// Watch listens on a connection of its own. It calls progressed after each burst of notifications, and each time that
// it has begun to listen: something may have been missed. It returns nil when ctx ends.
func (g *Generations) Watch(ctx context.Context, progressed func()) error {
	wake := make(chan struct{}, 1)
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		g.listenForever(ctx, func() {
			select {
			case wake <- struct{}{}:
			default: // it has not been looked at since the last one
			}
		})
	}()
	defer func() { <-listening }()
	for {
		select {
		case <-wake:
			progressed()
		case <-ctx.Done():
			return nil
		}
	}
}

func (g *Generations) listenForever(ctx context.Context, told func()) {
	pause := firstPause
	warned := false
	for {
		err := g.listen(ctx, func() {
			if warned {
				g.logger.Info("notifications of commits come again")
			}
			pause, warned = firstPause, false
			g.expire()
			told()
		}, told)
		if ctx.Err() != nil {
			return
		}
		if !warned {
			g.logger.Warn("notifications of commits have stopped; trying to listen again", "error",
				classify("postgres.Watch", err))
			warned = true
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// listen returns when the connection is lost or ctx has ended.
func (g *Generations) listen(ctx context.Context, begun, told func()) error {
	conn, err := pgx.ConnectConfig(ctx, g.listening.Copy())
	if err != nil {
		return err
	}
	defer closeSoon(ctx, conn)
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{g.schema}.Sanitize()); err != nil {
		return err
	}
	begun()
	for {
		if err := g.hear(ctx, conn, heartbeat, told); err != nil {
			return err
		}
	}
}

// hear waits for one notification, or makes sure of the connection when none has come for a while.
func (g *Generations) hear(ctx context.Context, conn *pgx.Conn, patience time.Duration, told func()) error {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	heard, err := conn.WaitForNotification(waiting)
	switch {
	case err == nil:
		if strings.HasPrefix(heard.Payload, pointerMoved) {
			g.expire()
		}
		told()
		return nil
	case ctx.Err() == nil && waiting.Err() != nil && !conn.IsClosed():
		alive, cancel := context.WithTimeout(ctx, readyTimeout)
		defer cancel()
		return conn.Ping(alive)
	}
	return err
}

// closeSoon closes a connection of our own, also after ctx has ended.
func closeSoon(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelWait)
	defer cancel()
	_ = conn.Close(ctx) // nothing to tell: the server lets go of it anyway
}
