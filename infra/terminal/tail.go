package terminal

import (
	"strings"
	"sync"
)

// tailBytes is how much of a process's output a Tail keeps.
const tailBytes = 64 << 10

// Tail keeps the end of what a process prints. It is safe for concurrent use.
type Tail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer. It never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = t.text[over:]
	}
	return len(p), nil
}

func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// Lines are the last n lines of it at the most.
func (t *Tail) Lines(n int) []string {
	all := strings.Split(strings.TrimRight(t.String(), "\n"), "\n")
	return all[max(0, len(all)-n):]
}
