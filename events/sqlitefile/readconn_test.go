package sqlitefile

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestAStatementEndsWithItsCallBetweenTwoRows asks for a second row that never comes.
func TestAStatementEndsWithItsCallBetweenTwoRows(t *testing.T) {
	f, err := OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	const endless = "with recursive c(n) as (select 1 union all select n + 1 from c) select n from c where n = 1 or n < 0"
	prepared, err := f.Read.PrepareContext(t.Context(), endless)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = prepared.Close() }()
	for _, query := range []func(ctx context.Context) (rowsOf, error){
		func(ctx context.Context) (rowsOf, error) { return f.Read.QueryContext(ctx, endless) }, //nolint:rowserrcheck // asked where they are read
		func(ctx context.Context) (rowsOf, error) { return prepared.QueryContext(ctx) },        //nolint:rowserrcheck // asked where they are read
	} {
		ended := make(chan error, 1)
		read := make(chan int, 1)
		go func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			rows, err := query(ctx)
			if err != nil {
				ended <- err
				return
			}
			n := 0
			for rows.Next() {
				n++
				time.AfterFunc(20*time.Millisecond, cancel)
			}
			err = rows.Err()
			_ = rows.Close()
			read <- n
			ended <- err
		}()
		select {
		case err := <-ended:
			if n := <-read; n != 1 || !errors.Is(err, context.Canceled) {
				t.Errorf("%d rows, then %v", n, err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the statement goes on")
		}
	}
	one := 0
	if err := f.Read.QueryRowContext(t.Context(), "select 1").Scan(&one); err != nil || one != 1 {
		t.Errorf("the next statement: %d, %v", one, err)
	}
}

type rowsOf interface {
	Next() bool
	Err() error
	Close() error
}
