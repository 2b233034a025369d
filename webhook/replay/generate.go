package replay

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/stage"
)

// Kind is what an invented incident is.
type Kind string

// The kinds of incidents.
const (
	KindFlapping    Kind = "flapping"    // one alert that comes and goes
	KindStorm       Kind = "storm"       // one cause, hundreds of alerts of many names
	KindDuplicates  Kind = "duplicates"  // one cause, the same alert on many instances of a service
	KindCascade     Kind = "cascade"     // one service fails, then those that depend on it
	KindIndependent Kind = "independent" // one alert of its own cause, also amid the others
)

// Incident is one true cause with its alerts.
type Incident struct {
	ID      int
	Kind    Kind
	Start   time.Time
	Alerts  []string // fingerprints
	changes []change
}

// Stream is what a seed leads to: incidents of known truth over some hours of a
// fleet of services on hosts.
type Stream struct {
	Start, End time.Time
	Incidents  []Incident
	Graph      stage.Graph
	changes    []change // of all, in order of time
	of         map[string]int
}

// fleet is what can break.
type fleet struct {
	services []string
	calls    map[string][]string
	hosts    []string
}

// hours is how long a stream lasts.
const hours = 24

// Generate invents a stream. The same seed gives the same stream.
func Generate(seed uint64) Stream {
	rnd := rand.New(rand.NewPCG(seed, 0x666f726573686f63))
	g := &generator{rnd: rnd, fleet: newFleet(rnd), start: time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)}
	counts := []struct {
		kind Kind
		n    int
		make func(at time.Time)
	}{
		{KindFlapping, 12 + rnd.IntN(6), g.flapping},
		{KindStorm, 3 + rnd.IntN(2), g.storm},
		{KindDuplicates, 4 + rnd.IntN(4), g.duplicates},
		{KindCascade, 3 + rnd.IntN(3), g.cascade},
		{KindIndependent, 6 + rnd.IntN(5), g.independent},
	}
	for _, c := range counts {
		for range c.n {
			g.kind = c.kind
			c.make(g.start.Add(time.Duration(rnd.Float64() * float64(hours*time.Hour-6*time.Hour))))
		}
	}
	// Problems of their own amid the storms are the ones that are easily lost.
	for _, in := range slices.Clone(g.incidents) {
		if in.Kind == KindStorm {
			g.kind = KindIndependent
			for range 2 + rnd.IntN(2) {
				g.independent(in.Start.Add(time.Duration(rnd.Float64() * float64(3*time.Minute))))
			}
		}
	}
	s := Stream{Start: g.start, End: g.start.Add(hours * time.Hour), Incidents: g.incidents, Graph: g.fleet, of: map[string]int{}}
	for _, in := range g.incidents {
		for _, fp := range in.Alerts {
			s.of[fp] = in.ID
		}
		s.changes = append(s.changes, in.changes...)
	}
	slices.SortStableFunc(s.changes, func(a, b change) int { return a.at.Compare(b.at) })
	return s
}

type generator struct {
	rnd       *rand.Rand
	fleet     *fleet
	start     time.Time
	kind      Kind
	incidents []Incident
}

func newFleet(rnd *rand.Rand) *fleet {
	f := &fleet{calls: map[string][]string{}}
	tiers := [][]string{
		{"web", "mobile-api", "partner-api", "admin"},
		{"checkout", "search", "catalog", "account", "cart", "recommend", "shipping", "pricing"},
		{"payment", "inventory", "profile", "session", "ranking", "mailer", "ledger", "media"},
		{"orders-db", "users-db", "events-kafka", "cache-redis", "objects-store"},
	}
	for t, names := range tiers {
		f.services = append(f.services, names...)
		if t == len(tiers)-1 {
			break
		}
		for _, n := range names {
			for range 1 + rnd.IntN(2) {
				to := tiers[t+1][rnd.IntN(len(tiers[t+1]))]
				if !slices.Contains(f.calls[n], to) {
					f.calls[n] = append(f.calls[n], to)
				}
			}
		}
	}
	for i := range 60 {
		f.hosts = append(f.hosts, fmt.Sprintf("node-%02d", i+1))
	}
	return f
}

// Near, DependsOn, Dependants and Tier make the fleet a stage.Graph.
func (f *fleet) Near(service string, hops int) []string {
	seen := map[string]bool{service: true}
	front := []string{service}
	var out []string
	for range hops {
		var next []string
		for _, s := range f.services {
			if seen[s] {
				continue
			}
			for _, at := range front {
				if slices.Contains(f.calls[at], s) || slices.Contains(f.calls[s], at) {
					seen[s] = true
					next = append(next, s)
					break
				}
			}
		}
		out = append(out, next...)
		front = next
	}
	return out
}

// DependsOn follows the calls downwards.
func (f *fleet) DependsOn(from, to string) bool {
	return slices.ContainsFunc(f.calls[from], func(s string) bool { return s == to || f.DependsOn(s, to) })
}

// Dependants counts who calls a service, directly or not.
func (f *fleet) Dependants(service string) int {
	n := 0
	for _, s := range f.services {
		if s != service && f.DependsOn(s, service) {
			n++
		}
	}
	return n
}

// Tier is not known of invented services.
func (*fleet) Tier(string) string { return "" }

func (g *generator) pick(all []string) string { return all[g.rnd.IntN(len(all))] }

func (g *generator) between(low, high time.Duration) time.Duration {
	return low + time.Duration(g.rnd.Float64()*float64(high-low))
}

// add makes an incident of some alerts, each with its times of firing.
func (g *generator) add(at time.Time, lives []life) {
	in := Incident{ID: len(g.incidents) + 1, Kind: g.kind, Start: at}
	for _, l := range lives {
		a := alert.Alert{Labels: l.labels, Annotations: l.texts, Fingerprint: l.labels.Fingerprint()}
		if slices.Contains(in.Alerts, a.Fingerprint) {
			continue
		}
		in.Alerts = append(in.Alerts, a.Fingerprint)
		for _, t := range l.times {
			// Prometheus evaluates its rules every 15 s.
			from, to := t[0].Truncate(15*time.Second).Add(15*time.Second), t[1].Truncate(15*time.Second).Add(15*time.Second)
			a.Status, a.StartsAt, a.EndsAt = alert.Firing, from, time.Time{}
			in.changes = append(in.changes, change{from, a})
			if to.Before(g.start.Add(hours * time.Hour)) {
				a.Status, a.EndsAt = alert.Resolved, to
				in.changes = append(in.changes, change{to, a})
			}
		}
	}
	g.incidents = append(g.incidents, in)
}

type life struct {
	labels, texts alert.Labels
	times         [][2]time.Time
}

func (g *generator) host(name, host, severity, text string) (alert.Labels, alert.Labels) {
	return alert.Labels{"alertname": name, "severity": severity, "job": "node", "instance": host + ":9100", "cluster": "eu-1"},
		alert.Labels{"summary": fmt.Sprintf(text, host, 50+g.rnd.IntN(50))}
}

func (g *generator) service(name, service, instance, severity, text string) (alert.Labels, alert.Labels) {
	l := alert.Labels{"alertname": name, "severity": severity, "job": service, "service": service, "namespace": "shop", "cluster": "eu-1"}
	if instance != "" {
		l["pod"] = instance
	}
	return l, alert.Labels{"summary": fmt.Sprintf(text, service, 50+g.rnd.IntN(950))}
}

func (g *generator) severity() string {
	switch n := g.rnd.IntN(100); {
	case n < 5:
		return "critical"
	case n < 35:
		return "error"
	case n < 85:
		return "warning"
	}
	return "info"
}

// flapping is one alert that fires for some minutes, again and again, for hours.
func (g *generator) flapping(at time.Time) {
	sev := []string{"error", "warning", "warning", "info"}[g.rnd.IntN(4)]
	var l life
	if n := g.rnd.IntN(len(restless)); n < 6 {
		l.labels, l.texts = g.host(restless[n], g.pick(g.fleet.hosts), sev, restless[n]+" of %s is at %d %%")
	} else {
		l.labels, l.texts = g.service(restless[n], g.pick(g.fleet.services), "", sev, restless[n]+" of %s: %d")
	}
	l.times = g.bouncing(at, at.Add(g.between(2*time.Hour, 6*time.Hour)), 5*time.Minute)
	g.add(at, []life{l})
}

// restless are alerts that people know to flap; the first six are of hosts.
var restless = []string{
	"NodeMemoryPressure", "NodeLoadHigh", "NetworkDrops", "TemperatureHigh", "SwapInUse", "InterfaceErrors",
	"QueueLag", "ConsumerLag", "ThreadPoolFull", "GCPauseLong", "CacheMissHigh", "RetryRateHigh", "ProbeSlow", "QuotaNearlyUsed",
}

// bouncing is firing for some minutes, again and again, until an end.
func (g *generator) bouncing(at, end time.Time, most time.Duration) [][2]time.Time {
	var out [][2]time.Time
	for t := at; t.Before(end); {
		to := t.Add(g.between(90*time.Second, most))
		out = append(out, [2]time.Time{t, to})
		t = to.Add(g.between(90*time.Second, most))
	}
	return out
}

// storm is a zone that fails: hosts, what runs on them, and what calls that. Some
// of it comes and goes while it lasts: pods that restart, links that flap.
func (g *generator) storm(at time.Time) {
	var lives []life
	end := at.Add(g.between(40*time.Minute, 2*time.Hour))
	add := func(l, texts alert.Labels) {
		from, to := at.Add(g.between(0, 3*time.Minute)), end.Add(g.between(0, 8*time.Minute))
		times := [][2]time.Time{{from, to}}
		if g.rnd.IntN(4) == 0 {
			times = g.bouncing(from, to, 10*time.Minute)
		}
		lives = append(lives, life{l, texts, times})
	}
	ofHosts := []struct{ name, severity, text string }{
		{"HostUnreachable", "error", "%s does not answer since %d s"},
		{"NodeExporterDown", "warning", "the exporter of %s is down, %d scrapes failed"},
		{"DiskLatencyHigh", "warning", "the disk of %s answers after %d ms"},
		{"KubeletDown", "warning", "the kubelet of %s is gone since %d s"},
		{"BondDegraded", "info", "a link of %s is down, %d packets lost"},
	}
	for _, h := range g.fleet.hosts[:20+g.rnd.IntN(20)] {
		for i, t := range ofHosts {
			if i == 0 || g.rnd.IntN(2) == 0 {
				l, x := g.host(t.name, h, t.severity, t.text)
				add(l, x)
			}
		}
	}
	ofServices := []struct{ name, severity, text string }{
		{"HighErrorRate", "error", "%s answers %d errors a minute"},
		{"HighLatency", "warning", "p99 of %s is %d ms"},
		{"ReplicasMissing", "warning", "%s lacks replicas since %d s"},
		{"ConnectionRefused", "warning", "%s is refused %d connections a minute"},
		{"TimeoutsHigh", "warning", "calls of %s time out, %d a minute"},
	}
	for _, s := range g.fleet.services {
		for p := range 2 + g.rnd.IntN(5) {
			l, x := g.service("PodNotReady", s, fmt.Sprintf("%s-7d9f%d-x%d", s, g.rnd.IntN(90), p), "warning", "a pod of %s is not ready for %d s")
			add(l, x)
		}
		for _, t := range ofServices {
			if g.rnd.IntN(2) == 0 {
				l, x := g.service(t.name, s, "", t.severity, t.text)
				add(l, x)
			}
		}
	}
	g.add(at, lives)
}

// duplicates is one alert on many instances of a service, within minutes.
func (g *generator) duplicates(at time.Time) {
	s, sev := g.pick(g.fleet.services), g.severity()
	name := g.pick([]string{"ContainerOOMKilled", "CertificateExpiresSoon", "GoroutineLeak", "ConnectionPoolExhausted"})
	var lives []life
	for p := range 5 + g.rnd.IntN(30) {
		l, x := g.service(name, s, fmt.Sprintf("%s-5c8b%d-%d", s, g.rnd.IntN(90), p), sev, name+" on %s, value %d")
		from := at.Add(g.between(0, 15*time.Minute))
		lives = append(lives, life{l, x, [][2]time.Time{{from, from.Add(g.between(10*time.Minute, 45*time.Minute))}}})
	}
	g.add(at, lives)
}

// cascade is a data store that fails, then whoever calls it, then their callers.
func (g *generator) cascade(at time.Time) {
	root := g.fleet.services[len(g.fleet.services)-1-g.rnd.IntN(5)]
	end := at.Add(g.between(15*time.Minute, 60*time.Minute))
	var lives []life
	front, seen := []string{root}, map[string]bool{root: true}
	for depth := range 4 {
		var next []string
		for _, s := range front {
			sev := "error"
			if depth == 0 && g.rnd.IntN(3) == 0 {
				sev = "critical"
			}
			from := at.Add(time.Duration(depth)*45*time.Second + g.between(0, 30*time.Second))
			for _, name := range []string{"HighErrorRate", "HighLatency", "SaturationHigh"}[:1+g.rnd.IntN(3)] {
				l, x := g.service(name, s, "", sev, name+" of %s: %d")
				lives = append(lives, life{l, x, [][2]time.Time{{from.Add(g.between(0, 30*time.Second)), end.Add(g.between(0, 4*time.Minute))}}})
			}
			for _, c := range g.fleet.services {
				if !seen[c] && slices.Contains(g.fleet.calls[c], s) {
					seen[c] = true
					next = append(next, c)
				}
			}
		}
		front = next
	}
	g.add(at, lives)
}

// independent is one alert of a cause of its own.
func (g *generator) independent(at time.Time) {
	texts := []struct{ name, text string }{
		{"BackupFailed", "the nightly backup of %s failed after %d s"},
		{"DiskWillFill", "the disk of %s will be full in %d minutes"},
		{"TLSHandshakeErrors", "%s refuses %d handshakes a minute"},
		{"LicenceExpires", "the licence of %s ends in %d hours"},
		{"ReplicationBroken", "replication of %s is %d s behind"},
		{"ClockSkew", "the clock of %s is off by %d ms"},
		{"RaidDegraded", "an array of %s lost a disk, %d sectors"},
		{"LoginFailures", "%s counts %d failed logins a minute"},
		{"PaymentDeclines", "%s declines %d payments a minute"},
		{"DNSFailures", "%s cannot resolve %d names a minute"},
	}
	// Twice the same problem at the same place within a day would be one problem.
	for range 100 {
		t := texts[g.rnd.IntN(len(texts))]
		var l, x alert.Labels
		if g.rnd.IntN(2) == 0 {
			l, x = g.host(t.name, g.pick(g.fleet.hosts), g.severity(), t.text)
		} else {
			l, x = g.service(t.name, g.pick(g.fleet.services), "", g.severity(), t.text)
		}
		if slices.ContainsFunc(g.incidents, func(in Incident) bool { return slices.Contains(in.Alerts, l.Fingerprint()) }) {
			continue
		}
		g.add(at, []life{{l, x, [][2]time.Time{{at, at.Add(g.between(4*time.Minute, 80*time.Minute))}}}})
		return
	}
}
