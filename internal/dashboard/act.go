package dashboard

import (
	"crypto/hmac"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/drill"
)

// A form is what somebody wants done.
type form struct {
	Action   string // override, clear, failback, freeze, unfreeze, drill, stop, reload or probe
	Pool     string // or, of a drill, pools
	Force    string
	For      string
	Reason   string
	Share    string
	Clients  string
	Services string
	AbortIf  string
	ID       string // of a drill

	Confirm bool   // was seen and meant
	Anyway  bool   // and likewise what it breaks
	Breaks  string // as it was shown
}

// readForm reads what r posts.
func readForm(r *http.Request) form {
	field := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	return form{
		Action: r.PathValue("action"), Pool: field("pool"), Force: field("force"), For: field("for"), Reason: field("reason"),
		Share: field("share"), Clients: field("clients"), Services: field("services"), AbortIf: field("abort_if"), ID: field("id"),
		Confirm: field("confirm") != "", Anyway: field("anyway") != "", Breaks: r.PostFormValue("breaks"),
	}
}

// A confirmation is the page between what somebody wants and what is done.
type confirmation struct {
	Form     form
	What     string   // would be done, in a sentence
	Effects  []string // what follows from it
	Button   string
	Refused  string        // why a safety rule says no; "" where none does
	Final    bool          // and nothing overrules it
	Forecast *drill.Report // of a drill
	Wrong    string        // with the form itself; then it is filled in again
	Status   *controller.Status
}

// operate is the page of all that can be done.
func (b *Dashboard) operate(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	c := confirmation{Form: form{Pool: q.Get("pool"), For: "1h", Share: "100%"}, Status: b.deps.State.Glance()}
	b.show(w, r, "operate", http.StatusOK, page{Title: "Operate", At: "operate", Body: c})
}

// do takes one form. What it asks for is shown first, and done when it is
// confirmed.
//
//	confirm   anyway and the same   the API says   then
//	no        -                     (not asked)    it is shown what would be, and asked again
//	yes       no                    yes            it is done
//	yes       no                    refused        it is shown what it breaks, and asked whether to break that
//	yes       yes                   refused        it is done by force
//	yes       yes, but other        refused        as before, with what it breaks now
//	-         -                     no             it is shown why, and the form again
func (b *Dashboard) do(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	viewer := b.viewer(r)
	f := readForm(r)
	switch {
	case !viewer.Write:
		b.fail(w, r, http.StatusForbidden, "You may look, and change nothing.", "Log in with a token that may write.")
		return
	case !hmac.Equal([]byte(r.PostFormValue("csrf")), []byte(viewer.CSRF)):
		b.fail(w, r, http.StatusForbidden, "This form is out of date.", "Go back, load the page again, and send it once more.")
		return
	}
	if f.Action == "probe" {
		b.probe(w, r, f)
		return
	}
	c := confirmation{Form: f, Status: b.deps.State.Glance()}
	if err := b.describe(&c); err != nil {
		b.again(w, r, c, err.Error())
		return
	}
	if !f.Confirm {
		if f.Action == "drill" {
			b.foresee(&c, r)
			if c.Wrong != "" {
				b.again(w, r, c, c.Wrong)
				return
			}
		}
		b.show(w, r, "confirm", http.StatusOK, page{Title: "Confirm", At: "operate", Body: c})
		return
	}
	err := b.send(r, f, false)
	if no, ok := refused(err); ok && no.Refused && f.Anyway && sameText(no.Error(), f.Breaks) {
		err = b.send(r, f, true)
	}
	no, ok := refused(err)
	switch {
	case err == nil:
		http.Redirect(w, r, after(f), http.StatusSeeOther)
	case ok && no.Refused:
		c.Refused = no.Error()
		b.show(w, r, "confirm", http.StatusConflict, page{Title: "Refused", At: "operate", Body: c})
	default:
		b.again(w, r, c, err.Error())
	}
}

// again shows the form once more, and what is wrong with it.
func (b *Dashboard) again(w http.ResponseWriter, r *http.Request, c confirmation, wrong string) {
	c.Wrong = wrong
	b.show(w, r, "operate", http.StatusBadRequest, page{Title: "Not done", At: "operate", Body: c})
}

// sameText compares what was shown with what is, whatever a browser made of
// its line ends.
func sameText(a, b string) bool {
	return strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " ")
}

// after returns where to go when f is done.
func after(f form) string {
	q := "?done=" + url.QueryEscape(f.Action)
	switch f.Action {
	case "override", "clear", "failback":
		return "/pools/" + url.PathEscape(f.Pool) + q
	case "stop":
		return "/drills" + q
	}
	return "/" + q
}

// describe says what c's form would do. The error is what it lacks.
func (b *Dashboard) describe(c *confirmation) error {
	f := c.Form
	switch f.Action {
	case "override":
		c.What, c.Button = fmt.Sprintf("Force %s %s for %s", f.Pool, f.Force, f.For), fmt.Sprintf("Force %s %s", f.Pool, f.Force)
		c.Effects = b.overrideEffects(f)
		if err := need(f.Pool, "a pool"); err != nil {
			return err
		}
		if len(c.Effects) == 0 {
			return fmt.Errorf("say what the pool is to be: up, down or drain")
		}
		return f.lasts()
	case "clear":
		c.What, c.Button = "Clear the override of "+f.Pool, "Clear it"
		c.Effects = []string{"The pool follows its probes again, at once."}
		return need(f.Pool, "a pool")
	case "failback":
		c.What, c.Button = "Let "+f.Pool+" answer again", "Let it back"
		c.Effects = []string{"It comes back along the ramp of each service, or at once where there is none."}
		return need(f.Pool, "a pool")
	case "freeze":
		c.What, c.Button = "Switch automation off for "+f.For, "Freeze"
		c.Effects = []string{"The pools that answer now go on answering, whatever probes see.", "Overrides still count."}
		return f.lasts()
	case "unfreeze":
		c.What, c.Button = "Switch automation on again", "Unfreeze"
		c.Effects = []string{"What probes see now moves answers at once."}
		return nil
	case "drill":
		c.What, c.Button = fmt.Sprintf("Take %s away for %s, as a drill", f.Pool, f.For), "Start the drill"
		c.Effects = []string{"It ends by itself, when its time is over or a condition is met.", "What probes see, and an override, end it too."}
		if err := need(f.Pool, "a pool to take away"); err != nil {
			return err
		}
		return f.lasts()
	case "stop":
		c.What, c.Button = "End the drill "+f.ID, "End it"
		c.Effects = []string{"The pools that it took away answer again, along their ramps."}
		return need(f.ID, "a drill")
	case "reload":
		c.What, c.Button = "Read the configuration again", "Reload"
		c.Effects = []string{"What cannot be used changes nothing: the configuration of before stays in force."}
		return nil
	}
	return fmt.Errorf("there is nothing called %q to do", f.Action)
}

// need returns an error where text, which is what a form must have, is empty.
func need(text, what string) error {
	if text == "" {
		return fmt.Errorf("%s is missing", what)
	}
	return nil
}

// lasts returns what is wrong with the reason and the duration of f.
func (f form) lasts() error {
	if err := need(f.Reason, "a reason, for the people who wonder later,"); err != nil {
		return err
	}
	d, err := config.ParseDuration(f.For)
	if err != nil {
		return fmt.Errorf("for how long: %w", err)
	}
	if d > health.MaxOverride {
		return fmt.Errorf("for how long: at most %s", config.FormatDuration(health.MaxOverride))
	}
	return nil
}

// overrideEffects says what an override does; nothing for one there is not.
func (b *Dashboard) overrideEffects(f form) []string {
	does := map[string]string{
		"up":    "The pool counts as up, even if its probes fail.",
		"down":  "The pool counts as down, and answers last of all.",
		"drain": "The pool answers only while no other does better.",
	}[f.Force]
	if does == "" {
		return nil
	}
	n := b.deps.State.List(controller.Want{Pool: f.Pool}).Found
	return []string{does, fmt.Sprintf("It answers for %s now.", plural(n, "service"))}
}

// foresee fills in what a drill would do, as the guards and the forecast say.
func (b *Dashboard) foresee(c *confirmation, r *http.Request) {
	q, err := drillRequest(c.Form)
	if err == nil {
		q.DryRun = true
		var a admin.DrillAnswer
		if a, err = ask[admin.DrillAnswer](b, r, "POST", "/v1/drills", q); err == nil {
			c.Forecast = a.Report
			return
		}
	}
	c.Wrong = err.Error()
}

// drillRequest returns what the API is asked for.
func drillRequest(f form) (admin.DrillRequest, error) {
	q := admin.DrillRequest{Pools: list(f.Pool), For: f.For, Services: list(f.Services), Clients: list(f.Clients), Reason: f.Reason}
	for _, line := range strings.FieldsFunc(f.AbortIf, func(c rune) bool { return c == '\n' || c == '\r' || c == ';' }) {
		if line = strings.TrimSpace(line); line != "" {
			q.AbortIf = append(q.AbortIf, line)
		}
	}
	if f.Share != "" {
		p, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(f.Share, "%")), 64)
		if err != nil || !(p > 0 && p <= 100) {
			return q, fmt.Errorf("share: %q is no percentage above 0%% and at most 100%%", f.Share)
		}
		q.Share = p / 100
	}
	return q, nil
}

// list returns the words of text, which commas or spaces part.
func list(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t' })
}

// send asks the API for what f says.
func (b *Dashboard) send(r *http.Request, f form, anyway bool) error {
	ch := admin.Change{Reason: f.Reason, Anyway: anyway}
	if f.For != "" {
		d, err := config.ParseDuration(f.For)
		if err != nil {
			return err
		}
		ch.For = d.String()
	}
	pool := "/v1/overrides/" + url.PathEscape(f.Pool)
	var err error
	switch f.Action {
	case "override":
		ch.Force = health.Force(f.Force)
		_, err = ask[any](b, r, "PUT", pool, ch)
	case "clear":
		_, err = ask[any](b, r, "DELETE", pool, nil)
	case "failback":
		_, err = ask[any](b, r, "POST", "/v1/pools/"+url.PathEscape(f.Pool)+"/failback", ch)
	case "freeze":
		_, err = ask[any](b, r, "PUT", "/v1/freeze", ch)
	case "unfreeze":
		_, err = ask[any](b, r, "DELETE", "/v1/freeze", nil)
	case "drill":
		q, wrong := drillRequest(f)
		if wrong != nil {
			return wrong
		}
		q.Anyway = anyway
		_, err = ask[any](b, r, "POST", "/v1/drills", q)
	case "stop":
		_, err = ask[any](b, r, "DELETE", "/v1/drills/"+url.PathEscape(f.ID), nil)
	case "reload":
		_, err = ask[any](b, r, "POST", "/v1/reload", ch)
	}
	return err
}
