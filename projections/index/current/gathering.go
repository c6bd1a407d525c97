package current

import "sync"

// gathering gathers questions while others are being answered.
type gathering struct {
	lanes  int // batches that are answered at once
	answer func(batch []*question)

	mu      sync.Mutex
	waiting []*question
	running int
}

// join adds questions. The caller has to begin, or ask, when it gets true: a lane is free.
func (g *gathering) join(questions ...*question) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, questions...)
	free := g.running < g.lanes
	if free {
		g.running++
	}
	return free
}

// begin answers the first batch on the caller's goroutine, which is cheaper than another one and wakes nobody for a
// caller that is alone.
func (g *gathering) begin() {
	batch := g.next()
	if batch == nil {
		return
	}
	g.answer(batch)
	g.mu.Lock()
	more := len(g.waiting) > 0
	if !more {
		g.running--
	}
	g.mu.Unlock()
	if more {
		go g.ask()
	}
}

// ask answers what waits until nothing does.
func (g *gathering) ask() {
	for batch := g.next(); batch != nil; batch = g.next() {
		g.answer(batch)
	}
}

// next takes what waits; nil, and the lane is free, when nothing does.
func (g *gathering) next() []*question {
	g.mu.Lock()
	defer g.mu.Unlock()
	batch := g.waiting[:min(len(g.waiting), most)]
	g.waiting = g.waiting[len(batch):]
	if len(batch) == 0 {
		g.waiting = nil
		g.running--
		return nil
	}
	return batch
}
