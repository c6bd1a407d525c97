package rest

import "context"

// Tenancy says which tenant a request is about. It travels in the request's context from the outer door to the handlers behind it.
type Tenancy struct {
	Tenant string
	Prefix string // of the FHIR root's path, between what a proxy takes off and the base: "" or "/t/clinic"
}

type tenancyKey struct{}

// WithTenancy returns a context that carries a tenancy.
func WithTenancy(ctx context.Context, tenancy Tenancy) context.Context {
	return context.WithValue(ctx, tenancyKey{}, tenancy)
}

// TenancyOf returns the tenancy that a context carries; false when it carries none.
func TenancyOf(ctx context.Context) (Tenancy, bool) {
	tenancy, found := ctx.Value(tenancyKey{}).(Tenancy)
	return tenancy, found
}
