// Package patch changes JSON documents by patches, as bytes: JSON Patch (RFC 6902) and FHIRPath Patch (FHIR R4,
// fhirpatch.html). What a patch doesn't touch stays as it was written: the digits of numbers, the order of keys, white
// space and escapes. What it adds stands as the patch has it.
//
// [Parse] reads a patch and refuses what no document could make right; [Patch.Apply] changes a document. Both are
// functions of what they are given and of nothing else. Their work and their memory are bounded by constants, so that
// a few bytes can't ask for much, and every node refuses the same.
package patch
