package vendortest

import (
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OVH returns OVHcloud's API, version 1: the time of day, the numbers of a
// zone's records, one record or several in a batch, changes of one, and the
// refresh, before which a zone is Pending. Its clock is an hour ahead, and a
// request has to be signed by it. Batches are answered if batches is true.
func OVH(appKey, appSecret, consumerKey string, batches bool) Vendor {
	return ovh{appKey, appSecret, consumerKey, batches}
}

type ovh struct {
	app, secret, consumer string
	batches               bool
}

// ovhAhead is how far the API's clock is ahead of ours.
const ovhAhead = time.Hour

// Login reports whether r is about the time of day, which is told to all.
func (ovh) Login(r *http.Request) bool { return r.URL.Path == "/auth/time" }

// Refuse speaks as OVHcloud: a class and a message, or an error code.
func (o ovh) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	switch status {
	case http.StatusTooManyRequests:
		o.fail(w, status, "Client::TooManyRequests", "Too many requests, please retry later")
	case http.StatusUnauthorized, http.StatusForbidden:
		o.denied(w, status, "INVALID_CREDENTIAL", "This credential is not valid")
	default:
		o.fail(w, status, "Server::InternalServerError", "Internal server error")
	}
}

func (ovh) fail(w http.ResponseWriter, status int, class, message string) {
	reply(w, status, map[string]any{"class": class, "message": message})
}

func (ovh) denied(w http.ResponseWriter, status int, code, message string) {
	reply(w, status, map[string]any{"errorCode": code, "httpCode": fmt.Sprint(status, " ", http.StatusText(status)), "message": message})
}

// signed reports whether r is signed as it must be, and says so if not.
func (o ovh) signed(w http.ResponseWriter, r *http.Request, body []byte) bool {
	stamp := r.Header.Get("X-Ovh-Timestamp")
	at, err := strconv.ParseInt(stamp, 10, 64)
	off := time.Until(time.Unix(at, 0)) - ovhAhead
	text := strings.Join([]string{o.secret, o.consumer, r.Method, "http://" + r.Host + r.URL.RequestURI(), string(body), stamp}, "+")
	switch {
	case r.Header.Get("X-Ovh-Application") != o.app:
		o.denied(w, http.StatusForbidden, "INVALID_KEY", "This application key is invalid")
	case r.Header.Get("X-Ovh-Consumer") != o.consumer:
		o.denied(w, http.StatusForbidden, "NOT_CREDENTIAL", "This credential does not exist")
	case err != nil || off.Abs() > 30*time.Second:
		o.denied(w, http.StatusBadRequest, "QUERY_TIME_OUT", "Query out of time")
	case r.Header.Get("X-Ovh-Signature") != fmt.Sprintf("$1$%x", sha1.Sum([]byte(text))):
		o.denied(w, http.StatusBadRequest, "INVALID_SIGNATURE", "Invalid signature")
	default:
		return true
	}
	return false
}

// Serve answers /auth/time and below /domain/zone.
func (o ovh) Serve(w http.ResponseWriter, r *http.Request, s *State) {
	if o.Login(r) {
		reply(w, http.StatusOK, time.Now().Add(ovhAhead).Unix())
		return
	}
	body, _ := io.ReadAll(r.Body)
	if !o.signed(w, r, body) {
		return
	}
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(path) < 4 || path[0] != "domain" || path[1] != "zone" {
		o.fail(w, http.StatusNotFound, "Client::NotFound", "Got an invalid (or empty) URL")
		return
	}
	z := s.Zone(path[2])
	switch what := path[3]; {
	case z == nil:
		o.fail(w, http.StatusNotFound, "Client::NotFound", "This service does not exist")
	case len(path) == 4 && what == "refresh" && r.Method == http.MethodPost:
		z.Pending = false
		z.Touch()
		reply(w, http.StatusOK, nil)
	case len(path) == 4 && what == "record" && r.Method == http.MethodGet:
		o.list(w, r, z)
	case len(path) == 4 && what == "record" && r.Method == http.MethodPost:
		o.create(w, body, s, z)
	case len(path) == 5 && what == "record" && r.Header.Get("X-Ovh-Batch") != "" && o.batches:
		o.batch(w, r, z, path[4])
	case len(path) == 5 && what == "record":
		o.one(w, r, body, z, fmt.Sprintf("%08s", path[4]))
	default:
		o.fail(w, http.StatusNotFound, "Client::NotFound", "Got an invalid (or empty) URL")
	}
}

// An ovhRecord is a record as the API shows and takes it.
type ovhRecord struct {
	ID     int     `json:"id,omitempty"`
	Zone   string  `json:"zone,omitempty"`
	Name   *string `json:"subDomain,omitempty"`
	Type   *string `json:"fieldType,omitempty"`
	TTL    *uint32 `json:"ttl,omitempty"`
	Target *string `json:"target,omitempty"`
}

func (ovh) show(rec Record, z *Zone) ovhRecord {
	name := z.Relative(rec.Name, "")
	return ovhRecord{whole(rec.ID), strings.TrimSuffix(z.Origin, "."), &name, &rec.Type, &rec.TTL, &rec.Data}
}

// list writes the numbers of all records that the query fits.
func (o ovh) list(w http.ResponseWriter, r *http.Request, z *Zone) {
	query := r.URL.Query()
	ids := []int{}
	for _, rec := range z.Records {
		if rec.Type == "SOA" || query.Has("fieldType") && query.Get("fieldType") != rec.Type || query.Get("subDomain") != "" && query.Get("subDomain") != z.Relative(rec.Name, "") {
			continue
		}
		ids = append(ids, whole(rec.ID))
	}
	slices.Reverse(ids)
	reply(w, http.StatusOK, ids)
}

// batch writes each record that is asked for, or why it cannot.
func (o ovh) batch(w http.ResponseWriter, r *http.Request, z *Zone, ids string) {
	out := []any{}
	for id := range strings.SplitSeq(ids, r.Header.Get("X-Ovh-Batch")) {
		if rec := z.Find(fmt.Sprintf("%08s", id)); rec != nil {
			out = append(out, map[string]any{"key": id, "value": o.show(*rec, z), "error": nil})
		} else {
			out = append(out, map[string]any{"key": id, "value": nil, "error": map[string]any{"class": "Client::NotFound", "message": "The requested object (id = " + id + ") does not exist"}})
		}
	}
	reply(w, http.StatusOK, out)
}

// one shows, rewrites or deletes a record.
func (o ovh) one(w http.ResponseWriter, r *http.Request, body []byte, z *Zone, id string) {
	rec := z.Find(id)
	switch {
	case rec == nil:
		o.fail(w, http.StatusNotFound, "Client::NotFound", "The requested object (id = "+id+") does not exist")
	case r.Method == http.MethodGet:
		reply(w, http.StatusOK, o.show(*rec, z))
	case r.Method == http.MethodDelete:
		z.Drop(func(rec Record) bool { return rec.ID == id })
		z.Pending = true
		reply(w, http.StatusOK, nil)
	case r.Method == http.MethodPut:
		in, ok := o.decode(w, body)
		switch {
		case !ok:
		case in.Type != nil:
			o.fail(w, http.StatusBadRequest, "Client::BadRequest", "Received not described parameters: (fieldType) when calling")
		default:
			if in.Target != nil {
				rec.Data = *in.Target
			}
			if in.TTL != nil {
				rec.TTL = *in.TTL
			}
			z.Pending = true
			reply(w, http.StatusOK, nil)
		}
	default:
		o.fail(w, http.StatusMethodNotAllowed, "Client::MethodNotAllowed", "Method not allowed")
	}
}

func (o ovh) create(w http.ResponseWriter, body []byte, s *State, z *Zone) {
	in, ok := o.decode(w, body)
	if !ok {
		return
	}
	if in.Type == nil || in.Target == nil {
		o.fail(w, http.StatusBadRequest, "Client::BadRequest", "[fieldType] and [target] are required")
		return
	}
	rec := Record{Name: z.Origin, Type: *in.Type, TTL: 0, Data: *in.Target}
	if in.Name != nil {
		rec.Name = z.Absolute(*in.Name)
	}
	if in.TTL != nil {
		rec.TTL = *in.TTL
	}
	if z.Clashes(rec.Name, rec.Type) || rec.Type == "CNAME" && rec.Name == z.Origin {
		o.fail(w, http.StatusConflict, "Client::Conflict", "CNAME record can not coexist with other records")
		return
	}
	rec.ID = s.NewID()
	z.Records = append(z.Records, rec)
	z.Pending = true
	reply(w, http.StatusOK, o.show(rec, z))
}

// decode reads a record of a request, and says what is wrong with it.
func (o ovh) decode(w http.ResponseWriter, body []byte) (in ovhRecord, ok bool) {
	if err := json.Unmarshal(body, &in); err != nil {
		o.fail(w, http.StatusBadRequest, "Client::BadRequest", err.Error())
		return in, false
	}
	if in.TTL != nil && *in.TTL != 0 && *in.TTL < 60 {
		o.fail(w, http.StatusBadRequest, "Client::BadRequest", "[ttl] must be 0 or at least 60")
		return in, false
	}
	return in, true
}
