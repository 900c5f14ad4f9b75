package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// GET /stats:
//
//	calls        taken in so far; what was refused is not among them
//	refused      answered 429 so far
//	in_flight    now
//	peak         most in flight since the last /stats
//	connections  opened by callers so far; those that asked for a page of the benchmark's own do not count
//	served_ms    time within this process of all calls that ended, together: what a caller sees is not less
//	ended        how many those are
type counting struct {
	calls, refused, inFlight, peak atomic.Int64
	opened, controls               atomic.Int64
	served, ended                  atomic.Int64
}

// Where a connection's own flag is in the context of its requests.
type connectionKey struct{}

func (c *counting) enter() {
	c.calls.Add(1)
	now := c.inFlight.Add(1)
	for {
		most := c.peak.Load()
		if now <= most || c.peak.CompareAndSwap(most, now) {
			return
		}
	}
}

func (c *counting) leave(arrived time.Time) {
	c.inFlight.Add(-1)
	c.served.Add(int64(time.Since(arrived)))
	c.ended.Add(1)
}

func (c *counting) state(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		c.opened.Add(1)
	}
}

func (c *counting) control(ctx context.Context) {
	if seen, ok := ctx.Value(connectionKey{}).(*atomic.Bool); ok && seen.CompareAndSwap(false, true) {
		c.controls.Add(1)
	}
}

func (c *counting) show(w http.ResponseWriter, r *http.Request) {
	c.control(r.Context())
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"calls":%d,"refused":%d,"in_flight":%d,"peak":%d,"connections":%d,"served_ms":%.3f,"ended":%d}`,
		c.calls.Load(), c.refused.Load(), c.inFlight.Load(), c.peak.Swap(c.inFlight.Load()),
		c.opened.Load()-c.controls.Load(), float64(c.served.Load())/1e6, c.ended.Load())
}
