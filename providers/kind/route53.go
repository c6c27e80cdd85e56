package kind

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers/plan"
)

// route53Store is Amazon Route 53. A batch of changes is a transaction, and a
// DELETE must name exactly what is there: so every change is a DELETE of what
// was and a CREATE of what is wanted, and none is made when somebody was
// faster. UPSERT, which would overwrite, is never used.
//
// Sets with an identifier (weighted, by latency, by place, of failover), aliases
// and what a traffic policy made are foreign: they are neither flattened into
// records nor changed.
type route53Store struct {
	client *route53.Client
	prefer string // id of the hosted zone to take where several have the name
	zones  zoneIDs
}

// route53Batch is how many records and changes one request may have.
const route53Batch = 1000

// newRoute53 opens an account by the static credentials of an IAM user or role.
func newRoute53(a config.Account) (Provider, error) {
	options := route53.Options{
		Region:      a.Values["region"],
		Credentials: credentials.NewStaticCredentialsProvider(a.Values["access_key_id"], a.Secrets["secret_access_key"].Reveal(), a.Secrets["session_token"].Reveal()),
		HTTPClient:  &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, // its replies are the SDK's to read
		Retryer:     aws.NopRetryer{},
	}
	if options.Region == "" {
		options.Region = "us-east-1"
	}
	if a.Endpoint != "" {
		options.BaseEndpoint = aws.String(a.Endpoint)
	}
	opened := newAccount(&route53Store{client: route53.New(options), prefer: strings.TrimPrefix(a.Values["hosted_zone_id"], "/hostedzone/")})
	opened.blind = true
	return opened, nil
}

// Abilities are those of public hosted zones. The rate is that of the account,
// whoever asks.
func (r *route53Store) Abilities() Abilities {
	return Abilities{
		Atomic:  true,
		Expects: true,
		Batch:   100, // of up to five records each, before and after
		Rate:    5,
		Types:   []string{"CAA", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SRV", "SSHFP", "SVCB", "TLSA"},
	}
}

func (r *route53Store) read(ctx context.Context, zone, name string) ([]held, error) {
	id, err := r.zones.get(ctx, zone, r.find)
	if err != nil {
		return nil, err
	}
	in := &route53.ListResourceRecordSetsInput{HostedZoneId: aws.String(id)}
	if name != "" {
		in.StartRecordName = aws.String(name)
	}
	var all []held
	for {
		if err := Pace(ctx); err != nil {
			return nil, err
		}
		out, err := r.client.ListResourceRecordSets(ctx, in)
		if err != nil {
			return nil, r.failed(zone, err)
		}
		if out.MaxItems == nil { // every list has it, an empty one too
			return nil, fmt.Errorf("%s: %w", zone, errNoList)
		}
		for _, set := range out.ResourceRecordSets {
			h := route53Held(set)
			if name != "" && h.Name != name {
				return all, nil // names come in order, and this one first
			}
			all = append(all, h)
		}
		if !out.IsTruncated {
			return all, nil
		}
		in.StartRecordName, in.StartRecordType, in.StartRecordIdentifier = out.NextRecordName, out.NextRecordType, out.NextRecordIdentifier
	}
}

// find returns the id of the public hosted zone of zone. Of several, the one
// that the account names counts; without that it is an error.
func (r *route53Store) find(ctx context.Context, zone string) (string, error) {
	in := &route53.ListHostedZonesByNameInput{DNSName: aws.String(zone)}
	var ids []string
	for more := true; more; {
		if err := Pace(ctx); err != nil {
			return "", err
		}
		out, err := r.client.ListHostedZonesByName(ctx, in)
		if err != nil {
			return "", r.failed(zone, err)
		}
		for _, z := range out.HostedZones {
			if octal(aws.ToString(z.Name)) != zone {
				more = false // names come in order
				break
			}
			if z.Config == nil || !z.Config.PrivateZone {
				ids = append(ids, strings.TrimPrefix(aws.ToString(z.Id), "/hostedzone/"))
			}
		}
		more = more && out.IsTruncated
		in.DNSName, in.HostedZoneId = out.NextDNSName, out.NextHostedZoneId
	}
	switch {
	case slices.Contains(ids, r.prefer):
		return r.prefer, nil
	case len(ids) == 0:
		return "", fmt.Errorf("%w: %s, or it is private", ErrNoZone, zone)
	case len(ids) > 1:
		return "", fmt.Errorf("there are %d public hosted zones %s: hosted_zone_id says which, of %s", len(ids), zone, strings.Join(ids, ", "))
	}
	return ids[0], nil
}

// route53Held returns set as all adapters read RRsets.
func route53Held(set types.ResourceRecordSet) held {
	h := held{RRset: plan.RRset{Name: strings.ToLower(octal(aws.ToString(set.Name))), Type: string(set.Type), TTL: uint32(aws.ToInt64(set.TTL))}}
	switch {
	case set.SetIdentifier != nil:
		h.foreign = "Route 53 answers by a routing policy here (the set " + *set.SetIdentifier + ")"
	case set.AliasTarget != nil:
		h.foreign = "an alias of " + aws.ToString(set.AliasTarget.DNSName)
	case set.TrafficPolicyInstanceId != nil:
		h.foreign = "made by the traffic policy instance " + *set.TrafficPolicyInstanceId
	case set.HealthCheckId != nil:
		h.foreign = "bound to the health check " + *set.HealthCheckId
	}
	if h.foreign != "" {
		return h
	}
	for _, record := range set.ResourceRecords {
		value := aws.ToString(record.Value)
		h.add(single{typ: h.Type, ttl: h.TTL, data: octal(value)})
		if at := slices.Index(h.raw, octal(value)); at >= 0 {
			h.raw[at] = value
		}
	}
	return h
}

// write sends one batch, or several where one cannot hold all: then each is a
// transaction of its own.
func (r *route53Store) write(ctx context.Context, zone string, edits []edit) error {
	id, err := r.zones.get(ctx, zone, r.find)
	if err != nil {
		return err
	}
	var batch []types.Change
	records := 0
	for i, e := range edits {
		changes, n := route53Changes(e)
		batch, records = append(batch, changes...), records+n
		if i+1 < len(edits) {
			if _, more := route53Changes(edits[i+1]); records+more <= route53Batch {
				continue
			}
		}
		if err := Pace(ctx); err != nil {
			return err
		}
		if _, err := r.client.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
			HostedZoneId: aws.String(id), ChangeBatch: &types.ChangeBatch{Changes: batch},
		}); err != nil {
			return r.failed(zone, err)
		}
		batch, records = nil, 0
	}
	return nil
}

// route53Changes returns what makes e, and how many records it names.
func route53Changes(e edit) (changes []types.Change, records int) {
	if e.was != nil {
		changes = append(changes, route53Change(types.ChangeActionDelete, e.was.RRset, e.was.raw))
		records += len(e.was.raw)
	}
	if e.to != nil {
		changes = append(changes, route53Change(types.ChangeActionCreate, *e.to, e.to.Data))
		records += len(e.to.Data)
	}
	return changes, records
}

// route53Change returns one change. Data that is not as set has it was spelled
// by Route 53, and goes as it came.
func route53Change(action types.ChangeAction, set plan.RRset, data []string) types.Change {
	var values []types.ResourceRecord
	for i, d := range data {
		if d == set.Data[i] {
			d = octalEscapes(d)
		}
		values = append(values, types.ResourceRecord{Value: aws.String(d)})
	}
	return types.Change{Action: action, ResourceRecordSet: &types.ResourceRecordSet{
		Name: aws.String(set.Name), Type: types.RRType(set.Type), TTL: aws.Int64(int64(set.TTL)), ResourceRecords: values,
	}}
}

// failed returns err with what Route 53's codes mean.
//
//	code                                           error
//	NoSuchHostedZone                               wraps ErrNoZone
//	InvalidChangeBatch, of records that are there  wraps ErrStale
//	or are not, or are not the same
//	any other InvalidChangeBatch                   wraps errDoubt
//	Throttling…, PriorRequestNotComplete           a Later
//	AccessDenied…, InvalidClientTokenId, Expired…, wraps ErrDenied
//	SignatureDoesNotMatch, or the status 401, 403
//	others                                         a statusError
func (r *route53Store) failed(zone string, err error) error {
	status, header := 0, http.Header{}
	if reply := (*awshttp.ResponseError)(nil); errors.As(err, &reply) && reply.Response != nil {
		status, header = reply.HTTPStatusCode(), reply.Response.Header
	}
	code, text := "", err.Error()
	if said := smithy.APIError(nil); errors.As(err, &said) {
		code, text = said.ErrorCode(), said.ErrorCode()+": "+said.ErrorMessage()
	}
	var batch *types.InvalidChangeBatch
	switch {
	case code == "NoSuchHostedZone":
		r.zones.forget(zone)
		return fmt.Errorf("%w: %s", ErrNoZone, text)
	case errors.As(err, &batch):
		if text = "InvalidChangeBatch: " + strings.Join(append(batch.Messages, batch.ErrorMessage()), " "); route53Stale(text) {
			return fmt.Errorf("%w: %s", ErrStale, text)
		}
		return fmt.Errorf("%w: %w: %s", ErrRefused, errDoubt, text)
	case strings.HasPrefix(code, "Throttling") || code == "PriorRequestNotComplete" || status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		return Later{After: retryAfter(header, time.Now()), Why: text}
	case status == http.StatusUnauthorized || status == http.StatusForbidden || code == "SignatureDoesNotMatch" || code == "InvalidClientTokenId" || strings.HasPrefix(code, "Expired"):
		return fmt.Errorf("%w: %s", ErrDenied, text)
	case status != 0:
		return statusError{Status: status, Body: text}
	}
	return err
}

// route53Stale reports whether a batch was refused because what is there is
// not what it expects.
func route53Stale(text string) bool {
	for _, phrase := range []string{"but it already exists", "but it was not found", "do not match the current values"} {
		if strings.Contains(text, phrase) {
			return true
		}
	}
	return false
}

// octal returns s with Route 53's escapes, which are octal, as they are
// elsewhere: those that are letters, digits or one of -_* as themselves,
// others in decimal (RFC 1035 §5.1).
func octal(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+4 > len(s) {
			b.WriteByte(s[i])
			continue
		}
		n, err := strconv.ParseUint(s[i+1:i+4], 8, 8)
		if err != nil { // an escaped quote or backslash
			b.WriteString(s[i : i+2])
			i++
			continue
		}
		if c := byte(n); c == '*' || c == '-' || c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\%03d`, n)
		}
		i += 3
	}
	return b.String()
}

// octalEscapes returns canonical data with its decimal escapes in octal, as
// Route 53 reads them.
func octalEscapes(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+4 > len(s) {
			b.WriteByte(s[i])
			continue
		}
		n, err := strconv.ParseUint(s[i+1:i+4], 10, 8)
		if err != nil {
			b.WriteString(s[i : i+2])
			i++
			continue
		}
		fmt.Fprintf(&b, `\%03o`, n)
		i += 3
	}
	return b.String()
}
