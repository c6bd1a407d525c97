// Package literal reads what FHIR writes as text and means as something else: dates, numbers with their precision, and
// references. Documents and queries write them alike, so the terms of a document and the values of a query are read by
// the same code. It knows nothing of resource types.
package literal
