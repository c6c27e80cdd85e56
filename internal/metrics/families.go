package metrics

import "slices"

// A Kind is the type of a family.
type Kind string

// The kinds. A counter never falls but at a restart.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// A Family is all series of one name.
type Family struct {
	Name   string
	Kind   Kind
	Labels []string
	Help   string
}

// row writes a family with its labels parted by spaces.
func row(kind Kind, name, labels, help string) Family {
	f := Family{Name: name, Kind: kind, Help: help}
	for l := range fields(labels) {
		f.Labels = append(f.Labels, l)
	}
	return f
}

// Families are all that shunt itself has, in the order of docs/metrics.md;
// those of Go's runtime and of the process come beside them, by their usual
// names.
func Families() []Family {
	return slices.Concat(dnsFamilies(), poolFamilies(), probeFamilies(), serviceFamilies(), nodeFamilies(), outFamilies())
}

func dnsFamilies() []Family {
	return []Family{
		row(Counter, "shunt_dns_queries_total", "transport", "Messages received, by transport: udp, tcp, tls, https."),
		row(Counter, "shunt_dns_questions_total", "type", "Questions answered from the zones, by type; rare types are other."),
		row(Counter, "shunt_dns_replies_total", "rcode", "Replies sent, by rcode."),
		row(Histogram, "shunt_dns_answer_duration_seconds", "transport", "Seconds from reading a query until its reply was with the kernel (udp) or made (others), of a sample: each query of one batch in 64."),
		row(Counter, "shunt_dns_steered_answers_total", "service pool", "Answers of services, by service and answering pool. Services that share decisions count together under the name of one; beyond the first 2000 pairs the service is other."),
		row(Counter, "shunt_dns_truncated_total", "", "Replies that did not fit the client's UDP size and went out truncated."),
		row(Counter, "shunt_dns_malformed_total", "", "Messages replied to with FORMERR."),
		row(Counter, "shunt_dns_silent_total", "", "Messages without a reply: too short, or replies themselves."),
		row(Counter, "shunt_dns_rate_limited_total", "action", "Replies that rate limiting dropped, or sent truncated (slipped)."),
		row(Counter, "shunt_dns_send_errors_total", "", "UDP replies that the kernel did not take."),
		row(Counter, "shunt_dns_panics_total", "", "Queries that ended in a panic and got SERVFAIL; please report them."),
		row(Gauge, "shunt_dns_connections", "", "Connections open now, over tcp, tls and https."),
		row(Counter, "shunt_dns_connections_accepted_total", "", "Connections accepted."),
		row(Counter, "shunt_dns_connections_refused_total", "", "Connections closed at once: too many from one client network."),
		row(Counter, "shunt_dns_connections_evicted_total", "", "Connections closed to make room for others."),
	}
}

func poolFamilies() []Family {
	return []Family{
		row(Gauge, "shunt_pools", "state", "Pools by the state that probes give them: up, down, unknown."),
		row(Gauge, "shunt_pool_state", "pool operator state", "1 for the state that probes give the pool, 0 for the others. This family and the others of pools leave out those beyond the first 1000 of the configuration."),
		row(Gauge, "shunt_pool_state_since_timestamp_seconds", "pool", "When the pool came to its state, in seconds since 1970."),
		row(Counter, "shunt_pool_transitions_total", "pool to", "How often the pool came to a state from another one that was known."),
		row(Gauge, "shunt_pool_endpoints", "pool state", "Endpoints of the pool by state."),
		row(Gauge, "shunt_pool_override", "pool force", "1 while an operator forces the pool up, down or to drain; absent without an override."),
		row(Gauge, "shunt_pool_override_end_timestamp_seconds", "pool", "When the override of the pool ends, in seconds since 1970; absent without one."),
		row(Gauge, "shunt_pool_waiting", "pool", "1 while the pool is up again and waits to be let back, else 0."),
		row(Gauge, "shunt_pool_votes_void", "pool", "1 while votes against the pool are void, as when the node is blind, else 0."),
		row(Gauge, "shunt_pool_drilled", "pool", "1 while a drill takes the pool away, else 0."),
		row(Gauge, "shunt_feed_says", "pool source says", "1 for what a source of data feeds says of the pool, 0 for the others: up, down, unknown (of neither), silent. Of several things that it says the worst counts."),
		row(Gauge, "shunt_pool_certificate_end_timestamp_seconds", "pool", "When the first certificate of the pool's endpoints ends, in seconds since 1970; absent where no certificate was seen."),
	}
}

func probeFamilies() []Family {
	return []Family{
		row(Counter, "shunt_probe_results_total", "pool monitor result", "Probes by what came of them: ok, or the class of the failure; internal says nothing of the endpoint. Beyond the first 1000 pairs of pool and monitor both are other."),
		row(Histogram, "shunt_probe_phase_duration_seconds", "pool monitor phase", "Seconds of the phases of probes: connect, tls, first_byte (until the answer began), transfer, and total. A phase that was not reached does not count. Beyond the first 200 pairs of pool and monitor both are other."),
		row(Counter, "shunt_lookup_results_total", "pool result", "Look-ups of pools' host names by what came of them, as probes."),
		row(Histogram, "shunt_lookup_duration_seconds", "pool", "Seconds that look-ups of pools' host names took. Beyond the first 200 pools the pool is other."),
	}
}

func serviceFamilies() []Family {
	return []Family{
		row(Gauge, "shunt_services", "", "Services configured."),
		row(Gauge, "shunt_services_failing_open", "", "Services that answer some client though nothing is up."),
		row(Gauge, "shunt_service_share_ratio", "service pool", "Share of the answers of a service that a pool has, of clients of whom nothing is known, from 0 to 1; absent for pools that do not answer them. One service stands for all that share its decisions; those beyond the first 1000 are left out."),
		row(Counter, "shunt_service_moves_total", "", "How often the pools that answer a service became others, for clients of whom nothing is known, over all services."),
		row(Counter, "shunt_fail_open_seconds_total", "", "Seconds in which at least one service answered though nothing was up."),
		row(Counter, "shunt_service_fail_open_seconds_total", "service", "Seconds in which a service answered though nothing was up. One service stands for all that share its decisions; beyond the first 1000 the service is other."),
	}
}

func nodeFamilies() []Family {
	return []Family{
		row(Gauge, "shunt_build_info", "version goversion", "1; the labels say what runs."),
		row(Gauge, "shunt_snapshot_generation", "", "Generation of the snapshot that answers; it grows with each change of answers."),
		row(Histogram, "shunt_snapshot_compile_duration_seconds", "", "Seconds from a change until the snapshot that it made was in service: decisions, packing and swap."),
		row(Gauge, "shunt_zones", "", "Zones served."),
		row(Gauge, "shunt_names", "", "Owner names served, over all zones."),
		row(Counter, "shunt_config_reloads_total", "result", "Reloads of the configuration: taken, or refused."),
		row(Gauge, "shunt_config_last_reload_successful", "", "1 when the latest load of the configuration came into force, else 0."),
		row(Gauge, "shunt_config_last_reload_timestamp_seconds", "", "When the configuration was last loaded, in seconds since 1970."),
		row(Gauge, "shunt_frozen", "", "1 while automation is off, else 0."),
		row(Gauge, "shunt_freeze_end_timestamp_seconds", "", "When the freeze ends, in seconds since 1970; absent without one."),
		row(Gauge, "shunt_blind", "", "1 while the node cannot see the world and every state holds, else 0."),
		row(Gauge, "shunt_overrides", "force", "Overrides in force."),
		row(Gauge, "shunt_drills", "", "Drills that run."),
		row(Gauge, "shunt_alarms", "code severity", "Alarms raised; absent without any. docs/operations.md has a section for each code."),
		row(Counter, "shunt_events_total", "kind level", "Events of this node's log, by kind and level."),
		row(Gauge, "shunt_certificate_end_timestamp_seconds", "", "When the certificate of the node's own listeners ends, in seconds since 1970; absent without one."),
	}
}

func outFamilies() []Family {
	return []Family{
		row(Gauge, "shunt_secondary_state", "secondary state", "1 for the state of the secondary, 0 for the others: in_step, behind, silent, unknown."),
		row(Gauge, "shunt_secondary_zones", "secondary", "Zones that the secondary should serve, the catalog among them."),
		row(Gauge, "shunt_secondary_zones_behind", "secondary", "Zones that the secondary does not serve as we do."),
		row(Gauge, "shunt_secondary_lag_seconds", "secondary", "Seconds since the oldest change that the secondary does not serve; 0 when it is in step."),
		row(Counter, "shunt_transfers_total", "secondary kind result", "Transfers of zones that ended, by kind: axfr, ixfr, or soa where nothing had changed; done, or failed on their way. Who is no secondary of the configuration is other."),
		row(Counter, "shunt_transfer_bytes_total", "secondary kind", "Octets of transfers, those that failed included."),
		row(Gauge, "shunt_provider_state", "provider kind state", "1 for the state of the DNS provider, 0 for the others: in_step, pending, failing, denied, held, drift, unverified."),
		row(Gauge, "shunt_provider_state_since_timestamp_seconds", "provider", "When the provider came to its state, in seconds since 1970."),
		row(Gauge, "shunt_provider_names", "provider", "Names that are kept in step at the provider."),
		row(Gauge, "shunt_provider_names_waiting", "provider", "Names that are not in step yet."),
		row(Gauge, "shunt_provider_names_drifted", "provider", "Names that somebody else had changed when all was last compared."),
		row(Gauge, "shunt_provider_names_held", "provider", "Names that are left as they are, because of records of others; at most 100 are counted."),
		row(Gauge, "shunt_provider_generation", "provider stage", "Generation of the snapshot that was pushed, and of the one that the provider's servers were seen to serve (verified)."),
		row(Counter, "shunt_provider_pushes_total", "provider result", "Pushes that ended: done, superseded by a newer answer, refused as too large, failed, or stopped."),
		row(Histogram, "shunt_provider_push_duration_seconds", "provider", "Seconds that pushes took, with their verification."),
		row(Counter, "shunt_alert_deliveries_total", "route", "Alarms, raised or over, that a route of alerts delivered."),
		row(Counter, "shunt_alert_failures_total", "route", "Attempts of a route to deliver that failed."),
		row(Gauge, "shunt_alert_pending", "route", "Alarms that wait to be delivered by a route."),
		row(Gauge, "shunt_alert_failing", "route", "1 while a route fails to deliver, else 0."),
		row(Counter, "shunt_tap_queries_total", "tap", "Sampled queries that a tap handed on."),
		row(Counter, "shunt_tap_dropped_total", "tap reason", "Sampled queries that a tap did not hand on: its ring was full, or its reader was away (lost)."),
	}
}
