package project

// LimitDecisions makes a projector refuse events whose decision may be larger than so many bytes of JSON.
func (p *Projector) LimitDecisions(bytes int) { p.decisionBytes = bytes }
