package terminal

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// plainInterval is the time between two progress lines where there is no terminal.
const plainInterval = 2 * time.Second

// Progress shows how far a long task is: a bar with rate and ETA on a terminal, a plain line every two seconds
// elsewhere. Methods are safe for concurrent use.
type Progress struct {
	mu          sync.Mutex
	out         io.Writer
	what, unit  string
	bar         *progressbar.ProgressBar // nil where there is no terminal
	started     time.Time
	shown       time.Time
	done, total int64
}

func NewProgress(out io.Writer, what, unit string) *Progress {
	p := &Progress{out: out, what: what, unit: unit, started: time.Now()}
	p.shown = p.started
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit),
			progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetRenderBlankState(true))
	}
	return p
}

// Set tells how much is done, and of how much; a total of 0 is not known yet.
func (p *Progress) Set(done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		if total != p.total && total > 0 {
			p.bar.ChangeMax64(total)
		}
		_ = p.bar.Set64(done) // a terminal that went away is no reason to stop the task
	}
	p.done, p.total = done, total
	if p.bar == nil && time.Since(p.shown) >= plainInterval {
		p.shown = time.Now()
		fmt.Fprintln(p.out, p.line())
	}
}

// Add counts n more.
func (p *Progress) Add(n int64) {
	p.mu.Lock()
	done, total := p.done+n, p.total
	p.mu.Unlock()
	p.Set(done, total)
}

// Note prints a line between.
func (p *Progress) Note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear() // a terminal that went away is no reason to stop the task
	}
	fmt.Fprintln(p.out, p.what+": "+line)
}

// Close ends the display with the whole figure.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Exit()
		fmt.Fprintln(p.out)
	}
	fmt.Fprintln(p.out, p.line())
}

func (p *Progress) line() string {
	elapsed := time.Since(p.started)
	rate := float64(p.done) / max(elapsed.Seconds(), 1e-3)
	if p.total == 0 {
		return fmt.Sprintf("%s: %d %s, %.0f/s, %s", p.what, p.done, p.unit, rate, elapsed.Round(time.Second))
	}
	left := "done"
	if p.done < p.total && rate > 0 {
		left = "ETA " + (time.Duration(float64(p.total-p.done)/rate) * time.Second).String()
	}
	return fmt.Sprintf("%s: %d of %d %s (%d %%), %.0f/s, %s", p.what, p.done, p.total, p.unit, 100*p.done/p.total, rate, left)
}
