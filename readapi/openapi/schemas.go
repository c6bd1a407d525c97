package openapi

import "binnacle/projections/catalog"

// list, text and those below are short for common schemas.
func text() schema           { return schema{"type": "string"} }
func of(name string) *schema { return &schema{"$ref": "#/components/schemas/" + name} }
func list(of schema) schema  { return schema{"type": "array", "items": of} }

func object(properties schema, required ...string) schema {
	return schema{"type": "object", "properties": properties, "required": required, "additionalProperties": true}
}

// schemas are those of documents. What is in a resource of each type FHIR's own definitions tell; here is what clients
// need to find their way.
func schemas(known *catalog.Catalog) map[string]schema {
	bundle, entry := resource("Bundle"), object(schema{
		"fullUrl":  text(),
		"resource": *of("Resource"),
		"search":   schema{"type": "object", "properties": schema{"mode": text()}},
		"request": object(schema{"method": schema{"enum": []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"}},
			"url": text(), "ifNoneMatch": text(), "ifModifiedSince": text(), "ifMatch": text(),
			"ifNoneExist": text()}, "method", "url"),
		"response": object(schema{"status": text(), "location": text(), "etag": text(), "lastModified": text(),
			"outcome": *of("OperationOutcome")}, "status"),
	})
	delete(entry, "required")
	properties := bundle["properties"].(schema)
	properties["type"] = text()
	properties["total"] = schema{"type": "integer", "minimum": 0}
	properties["link"] = list(object(schema{"relation": text(), "url": text()}, "relation", "url"))
	properties["entry"] = list(entry)
	bundle["required"] = []string{"resourceType", "type"}
	outcome := resource("OperationOutcome")
	outcome["properties"].(schema)["issue"] = list(object(schema{
		"severity":    schema{"enum": []string{"fatal", "error", "warning", "information"}},
		"code":        text(),
		"diagnostics": text(),
		"expression":  list(text()),
	}, "severity", "code"))
	outcome["required"] = []string{"resourceType", "issue"}
	any := resource("")
	any["properties"].(schema)["resourceType"] = text()
	return map[string]schema{
		"Resource": any, "Bundle": bundle, "OperationOutcome": outcome,
		"CapabilityStatement": resource("CapabilityStatement"), "Parameters": resource("Parameters"),
		"JSONPatch": list(object(schema{
			"op":   schema{"enum": []string{"add", "remove", "replace", "move", "copy", "test"}},
			"path": text(), "from": text(), "value": schema{}}, "op", "path")),
		"Type": {"type": "string", "enum": known.Types(), "description": "A type of FHIR R4"},
	}
}

// resource is the schema of what all resources have.
func resource(name string) schema {
	return object(schema{
		"resourceType": schema{"const": name},
		"id":           schema{"type": "string", "pattern": `^[A-Za-z0-9\-.]{1,64}$`},
		"meta": schema{"type": "object", "properties": schema{"versionId": text(),
			"lastUpdated": schema{"type": "string", "format": "date-time"}, "profile": list(text()),
			"security": list(schema{"type": "object"}), "tag": list(schema{"type": "object"})}},
	}, "resourceType")
}
