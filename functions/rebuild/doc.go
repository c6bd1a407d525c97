// Package rebuild makes projections again from the log: a generation of the index beside the live one ([Index]), and
// contents that the blob store has lost ([Contents]).
//
// It promises that history is not rewritten: what was decided is applied as it was decided. The feed tells that and,
// when the live generation has other search parameters, so does this generation. What neither tells is decided with a
// [project.Line], so with the very code of the projector. That is the only arrow between two folders of functions (ADR
// 69).
package rebuild
