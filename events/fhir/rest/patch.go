package rest

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"binnacle/events"
)

// JSONPatchType is the media type of a JSON Patch (RFC 6902).
const JSONPatchType = "application/json-patch+json"

// PatchTypes are the media types that a patch may be sent in, the first preferred: of a JSON Patch, and those of the
// Parameters of a FHIRPath Patch.
var PatchTypes = append([]string{JSONPatchType}, ResourceTypes...)

// HeaderAcceptPatch names the media types of patches that are taken (RFC 5789, 3.1).
const HeaderAcceptPatch = "Accept-Patch"

const opPatch = "rest.Patch"

// CheckPatch accepts the forms of patches that are offered, and tells whether the body is a JSON Patch; else it is a
// resource, perhaps in XML. An error is a [Refusal] with status 415.
func CheckPatch(header http.Header) (json, xml bool, err error) {
	name := header.Get("Content-Type")
	media, parameters, bad := mime.ParseMediaType(name)
	switch {
	case name == "":
		return false, false, notPatched("a patch without a Content-Type")
	case bad != nil:
		return false, false, notPatched("Content-Type " + strconv.Quote(cut(name)))
	case media == JSONPatchType:
		if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
			return false, false, notPatched("charset " + strconv.Quote(cut(charset)))
		}
		return true, false, nil
	case media == "application/merge-patch+json":
		return false, false, notPatched("a merge patch (RFC 7396), which can't change one item of a list and writes null for " +
			"what is to go,")
	case !slices.Contains(ResourceTypes, media):
		return false, false, notPatched("Content-Type " + strconv.Quote(cut(media)))
	}
	xml, err = CheckDocument(header)
	return false, xml, err
}

// cut is as much of a client's text as a message repeats.
func cut(text string) string { return text[:min(len(text), 80)] }

// notPatched is the refusal of a patch in a form that is not offered.
func notPatched(what string) error {
	return Refused(http.StatusUnsupportedMediaType, events.Unsupported, opPatch,
		"%s is not offered; send a JSON Patch (RFC 6902) as %s, or a FHIRPath Patch, which is Parameters, as %s", what,
		JSONPatchType, ResourceTypes[0])
}
