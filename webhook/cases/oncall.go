package cases

import "time"

// Override is a person put on call by hand while the service runs.
type Override struct {
	ID       string    `json:"id"`
	Schedule string    `json:"schedule"`
	Person   string    `json:"person"`
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"`
	By       string    `json:"by"`
	Note     string    `json:"note,omitempty"`
	Given    time.Time `json:"given"`
}

// Heartbeat is what is known of one watchdog in one cluster.
type Heartbeat struct {
	Watchdog string    `json:"watchdog"`
	Cluster  string    `json:"cluster"`
	LastBeat time.Time `json:"lastBeat,omitzero"` // when it was last heard firing
	LastSeen time.Time `json:"lastSeen,omitzero"` // when anything of it was last heard, its resolution included
	Silent   time.Time `json:"silent,omitzero"`   // since when it is silent, as told; zero: it is not
}

// AuditQuery selects lines of the audit log. Zero fields do not restrict.
type AuditQuery struct {
	Actor  string
	CaseID string
	Since  time.Time
	Until  time.Time // Since ≤ t < Until
	Before int64     // only lines with a smaller ID: the last one of the page before
	Limit  int       // 0 = 100, at most 1000
}
