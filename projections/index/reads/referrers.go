package reads

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
)

// referrersRead is how many versions are looked at that have one of the keys asked for on their row, where the keys
// have no term rows: enough for the deletions of a chunk. Beyond it every parameter is told that ever referred to the
// type.
const referrersRead = 1_000

// typeOf is a type of a tenant.
type typeOf struct{ tenant, name string }

// Referrers is projections.Writer.Referrers, in two statements however many resources and parameters there are: which
// parameters ever referred to the types, and which of their references to these resources a current version has.
func (r Reads) Referrers(ctx context.Context, resources []projections.Key,
	by map[string][]projections.Referrer) ([][]int, error) {
	ever, err := r.everReferred(ctx, resources, by)
	if err != nil {
		return nil, err
	}
	found, a := make([][]int, len(resources)), askedReferrers{found: make([][]int, len(resources)),
		of: map[int64][]askedPlace{}}
	var h keys.Hasher
	for i, k := range resources {
		resource := h.Resource(h.LedgerOf(k.Tenant, k.Type), k.ID)
		for _, n := range ever[typeOf{k.Tenant, k.Type}] {
			referrer := &by[k.Type][n]
			a.add(keys.Refer(h.KeptFor(h.LedgerOf(k.Tenant, referrer.Type), referrer.Param, referrer.Shares, k.Type),
				resource), r.Dialect.RefersOnRow(k.Type), askedPlace{i, n})
		}
	}
	more, err := r.currentReferences(ctx, &a)
	if err != nil {
		return nil, err
	}
	for i, k := range resources {
		found[i] = a.found[i]
		if more && r.Dialect.RefersOnRow(k.Type) {
			found[i] = ever[typeOf{k.Tenant, k.Type}]
		}
		slices.Sort(found[i])
	}
	return found, nil
}

// EverReferrers is Referrers of a generation whose rows don't all stand in its tables, or have no indexes yet.
func (r Reads) EverReferrers(ctx context.Context, keys []projections.Key,
	by map[string][]projections.Referrer) ([][]int, error) {
	ever, err := r.everReferred(ctx, keys, by)
	if err != nil {
		return nil, err
	}
	found := make([][]int, len(keys))
	for i, k := range keys {
		found[i] = ever[typeOf{k.Tenant, k.Type}]
	}
	return found, nil
}

// everReferred finds the parameters that ever referred to a resource of the types, as places in by, ascending.
func (r Reads) everReferred(ctx context.Context, resources []projections.Key,
	by map[string][]projections.Referrer) (map[typeOf][]int, error) {
	var h keys.Hasher
	var types []typeOf
	var params [][]int64
	ever := map[typeOf][]int{}
	asking := r.Referred.asking()
	for _, k := range resources {
		t := typeOf{k.Tenant, k.Type}
		if _, known := ever[t]; known || len(by[k.Type]) == 0 {
			continue
		}
		list := make([]int64, len(by[t.name]))
		for i, referrer := range by[t.name] {
			list[i] = h.Param(h.LedgerOf(t.tenant, referrer.Type), referrer.Param)
		}
		places, known := r.Referred.of(t, list)
		if ever[t] = places; !known {
			types, params = append(types, t), append(params, list)
		}
	}
	for len(types) > 0 {
		n := min(len(types), sql.UnionParts)
		if err := r.askReferred(ctx, types[:n], params[:n], ever); err != nil {
			return nil, err
		}
		for i, t := range types[:n] {
			slices.Sort(ever[t])
			r.Referred.answered(asking, t, params[i], ever[t])
		}
		types, params = types[n:], params[n:]
	}
	return ever, nil
}

// askReferred reads which of the parameters of each type ever referred to it.
func (r Reads) askReferred(ctx context.Context, types []typeOf, params [][]int64, ever map[typeOf][]int) error {
	s := r.statement()
	parts, places := make([]string, len(types)), make([]map[int64]int, len(types))
	for n, t := range types {
		places[n] = make(map[int64]int, len(params[n]))
		for i, param := range params[n] {
			places[n][param] = i
		}
		list, param := s.Unnested(params[n], "k")
		parts[n] = fmt.Sprintf("select %d as n, %s as param from %s "+
			"where exists (select 1 from %s d where d.param = %s and d.code = %s and d.system = %s%s)",
			n, param, list, s.Table("coding"), param, s.NoBytes(), s.Arg([]byte(projections.OrderCode(t.name))),
			sql.Once)
	}
	return r.query(ctx, s, strings.Join(parts, " union all "), func(scan func(...any) error) error {
		var n, param int64
		err := scan(&n, &param)
		ever[types[n]] = append(ever[types[n]], places[n][param])
		return err
	})
}

// askedReferrers are references. It is asked which of them a current version has.
type askedReferrers struct {
	terms, onRow []int64                // their keys, by where they stand
	of           map[int64][]askedPlace // who asks for a key
	found        [][]int                // by resource: the parameters
}

type askedPlace struct{ resource, param int }

func (a *askedReferrers) add(key int64, onRow bool, by askedPlace) {
	if a.of[key] = append(a.of[key], by); len(a.of[key]) > 1 {
		return // parameters that share their terms
	}
	if onRow {
		a.onRow = append(a.onRow, key)
	} else {
		a.terms = append(a.terms, key)
	}
}

// currentReferences finds the keys that current versions have. It tells whether those on rows are too many to be
// looked at.
func (r Reads) currentReferences(ctx context.Context, a *askedReferrers) (more bool, err error) {
	s := r.statement()
	var parts []string
	closed := func(sid string) string {
		return "not exists (select 1 from " + s.Table("closed") + " c where c.sid = " + sid + sql.Once + ")"
	}
	if len(a.terms) > 0 {
		list, key := s.Unnested(a.terms, "k")
		parts = append(parts, "select 0 as n, "+key+" as key from "+list+" where exists (select 1 from "+
			s.Table("term")+" t where t.key = "+key+" and "+closed("(t.ref >> 2)")+sql.Once+")")
	}
	with := ""
	if len(a.onRow) > 0 {
		if r.Sort != nil {
			r.Sort(ctx)
		}
		s.Most = referrersRead + 1
		wanted := s.Arg(a.onRow) + "::bigint[]"
		with = "with w as materialized (select w.sid from " + s.WithKeys(wanted, math.MaxInt64) + " w) "
		keys, key := s.KeysOf("v", "l")
		parts = append(parts, "select distinct 1 as n, "+key+" from w cross join "+s.Table("version")+
			" v cross join "+keys+" where v.sid = w.sid and "+key+" = any("+wanted+") and "+closed("v.sid"),
			"select 2 as n, count(*) as key from w")
	}
	if len(parts) == 0 {
		return false, nil
	}
	err = r.query(ctx, s, with+strings.Join(parts, " union all "), func(scan func(...any) error) error {
		var n, key int64
		if err := scan(&n, &key); err != nil {
			return err
		}
		if n == 2 {
			more = key > referrersRead
			return nil
		}
		for _, by := range a.of[key] {
			a.found[by.resource] = append(a.found[by.resource], by.param)
		}
		return nil
	})
	return more, err
}
