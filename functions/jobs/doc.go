// Package jobs answers requests later: the asynchronous request pattern (FHIR R4, async.html; its answer in a bundle as
// R5, async-bundle.html has it).
//
// A request whose client prefers respond-async becomes a job: its form is checked, it is kept, and the client gets the
// address where the answer will be. A node takes the job, answers it by the same row of the table as any request, and
// keeps the answer for a time. It promises:
//
//   - a request that was answered with 202 is in the store, and survives a crash of the store's machine;
//   - any node tells of any job, and goes on with the jobs of a node that was lost;
//   - what a job writes is written once, however often it is begun anew: it writes under an idempotency key.
//
// Jobs are memos (ADR 68, ADR 82): nothing of them is in the log but what they write.
package jobs
