// Package sample holds three synthetic patients and the hospitals and practitioners that they refer to, compressed with
// bzip2. README.md says where they come from.
package sample

import "embed"

// Files are the bundles, in the order of their names: that in which they have to be loaded.
//
//go:embed *.json.bz2
var Files embed.FS
