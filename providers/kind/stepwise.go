package kind

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// errNoList is the error of an answer that succeeds and holds no list, not even
// an empty one: what could not be read is not taken for empty.
var errNoList = errors.New("the answer holds no list of records")

// fewBlind is the Batch of kinds whose changes are made one by one and without
// compare and set: their one look before should not be much older than the last
// of them, nor should news wait for many.
const fewBlind = 20

// PutBack is how long it may take, once a call was told to end, to put back what
// went to make room for what did not come.
const PutBack = 5 * time.Second

// stepwise makes edits by do, one after another, at a provider without
// transactions. Where something went to make room for what then could not
// come, as for a CNAME, it is put back: a name is never left empty because a
// request failed. What is wrong with one name keeps no other from being
// changed; what is wrong with the API or the account ends it all.
func stepwise(ctx context.Context, edits []edit, do func(context.Context, edit) error) error {
	var failed []error
	gone := map[string][]edit{} // by name, what went and nothing came for
	bad := map[string]bool{}    // names that are left as they are
	for i, e := range edits {
		if bad[e.name()] {
			continue
		}
		err := do(ctx, e)
		switch {
		case err == nil && e.to == nil:
			gone[e.name()] = append(gone[e.name()], e)
			continue
		case err == nil:
			delete(gone, e.name())
			continue
		}
		err = fmt.Errorf("%s: %w", e, err)
		comes := func(o edit) bool { return o.to != nil && o.name() == e.name() }
		if slices.ContainsFunc(edits[i:], comes) {
			err = errors.Join(err, restore(ctx, gone[e.name()], do))
		}
		failed, bad[e.name()] = append(failed, err), true
		if !ofRecord(err) {
			break
		}
	}
	return errors.Join(failed...)
}

// restore puts back what went.
func restore(ctx context.Context, gone []edit, do func(context.Context, edit) error) error {
	if len(gone) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), PutBack)
	defer cancel()
	var failed []error
	for _, g := range gone {
		back := g.was.RRset
		if err := do(ctx, edit{to: &back}); err != nil {
			failed = append(failed, fmt.Errorf("%s went and could not be put back: %w", g, err))
		}
	}
	return errors.Join(failed...)
}

// ofRecord reports whether err is about what was written and not about the API
// or the account, so that other records may be taken. Everything in it must be.
func ofRecord(err error) bool {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			if e != ErrStale && !ofRecord(e) {
				return false
			}
		}
		return true
	}
	if one, ok := err.(statusError); ok {
		return one.Status >= 400 && one.Status < 500
	}
	if inner := errors.Unwrap(err); inner != nil {
		return ofRecord(inner)
	}
	return false
}

// A turn makes one record of another: it comes where id is "", and goes where
// data is "".
type turn struct{ id, data string }

// turns returns how the records of an edit come to be what is wanted, with
// nothing in between that is neither of old nor new: each is rewritten in place
// while there are both, then new ones come, then old ones go. Records that stay
// as they are have no turn unless their TTL changes.
//
//	was        to         turns
//	1 2        2 3        1 becomes 3
//	1          2 3        1 becomes 2, 3 comes
//	1 2        3          1 becomes 3, 2 goes
//	1 TTL 60   1 TTL 30   1 becomes 1
func turns(e edit) []turn {
	var ids, datas []string
	var out []turn
	if e.to != nil {
		datas = slices.Clone(e.to.Data)
	}
	if e.was != nil {
		for i, data := range e.was.Data {
			at := slices.Index(datas, data)
			if at < 0 {
				ids = append(ids, e.was.ids[i])
				continue
			}
			datas = slices.Delete(datas, at, at+1)
			if e.to.TTL != e.was.TTL {
				out = append(out, turn{e.was.ids[i], data})
			}
		}
	}
	for len(ids) > 0 && len(datas) > 0 {
		out = append(out, turn{ids[0], datas[0]})
		ids, datas = ids[1:], datas[1:]
	}
	for _, data := range datas {
		out = append(out, turn{"", data})
	}
	for _, id := range ids {
		out = append(out, turn{id, ""})
	}
	return out
}

// raced returns err, or one that wraps ErrStale for an answer of 404 or 409 to a
// change: what was there is gone, or something is that was not.
func raced(err error) error {
	if said := (statusError{}); errors.As(err, &said) && (said.Status == http.StatusNotFound || said.Status == http.StatusConflict) {
		return fmt.Errorf("%w: %w", ErrStale, err)
	}
	return err
}

// qualified returns data of typ with a target that has no final dot as what
// stands below zone, as most vendors mean it.
func qualified(typ, data, zone string) string {
	switch typ {
	case "ALIAS", "CNAME", "DNAME", "HTTPS", "MX", "NS", "PTR", "SRV", "SVCB":
	default:
		return data
	}
	at := map[string]int{"HTTPS": 1, "MX": 1, "SRV": 3, "SVCB": 1}[typ]
	fields := strings.Fields(data)
	if len(fields) <= at || strings.HasSuffix(fields[at], ".") {
		return data
	}
	if fields[at] == "@" {
		fields[at] = zone
	} else {
		fields[at] += "." + zone
	}
	return strings.Join(fields, " ")
}
