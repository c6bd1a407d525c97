package functions

// LimitDecisions makes a projector refuse events whose decision may be larger than so many bytes of JSON.
func (p *Project) LimitDecisions(bytes int) { p.decisionBytes = bytes }
