package node

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/alert"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/event"
)

// alertsFile is the name, in the state directory, of what people were told of.
const alertsFile = "alerts.json"

// alerts makes what tells people of alarms.
func (n *Node) alerts(cfg *config.Config) {
	n.teller = alert.New(cfg.Alerts, alert.Deps{
		Node:     cfg.Node.Name,
		Path:     filepath.Join(cfg.Node.StateDir, alertsFile),
		Alarms:   n.alarms,
		Happened: n.happened,
		Send:     alert.NewSender().Send,
		Log:      n.opts.Log,
	})
}

// alarmed tells people of alarms, once there is a decision to have some of.
func (n *Node) alarmed(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-n.decided:
	}
	return n.teller.Run(ctx)
}

// alarms lists those that hold.
func (n *Node) alarms() []alert.Alarm {
	var out []alert.Alarm
	for _, a := range n.ctl.Glance().Alarms {
		out = append(out, alert.Alarm(a))
	}
	return out
}

// mostHappened is how many events are looked at in one second.
const mostHappened = 1000

// happened lists the ends of drills since the event called after. An alarm says
// that one failed, and goes on; this is for those that went well, too. What is
// past is past where nobody was told of anything yet, or after is of another
// log, whose file was lost.
func (n *Node) happened(after uint64) (list []alert.Alarm, last uint64) {
	if last = n.events.Last(); after == 0 || after > last {
		return nil, last
	}
	events, _ := n.events.After(after, mostHappened)
	last = after
	for _, e := range events {
		last = e.ID
		if e.Kind == event.Drill && e.After != "running" {
			severity := "warning"
			if e.Level == event.Critical {
				severity = event.Critical
			}
			list = append(list, alert.Alarm{Code: "drill-ended", Severity: severity, Subject: e.Subject, Since: e.At,
				What: strings.TrimSuffix(e.What+": "+e.Why, ": "), Mend: "shunt drill report " + e.Subject})
		}
	}
	return list, last
}

// untold lists the routes by which alerts are not taken.
func (n *Node) untold() (list []controller.Condition) {
	for _, a := range n.teller.Failing() {
		list = append(list, controller.Condition{Code: a.Code, Severity: a.Severity, Subject: a.Subject, What: a.What, Mend: a.Mend})
	}
	return list
}
