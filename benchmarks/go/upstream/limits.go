package main

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// What the upstream takes: calls at a time, and requests a minute by a bucket of `burst` tokens that fills
// continuously. Whoever comes above either is answered 429.
//
//	concurrency  calls at a time
//	rpm          requests a minute
//	burst        tokens in the bucket; without it, what a second brings
//	headers      true: every answer says in Anthropic's headers what is left of the rpm
//	retry_after  `auto` (the default): seconds until there is a token, at least 1; a number; or `none`
type limiting struct {
	sync.Mutex
	concurrency int
	perSecond   float64
	burst       float64
	headers     bool
	retryAfter  string

	now    int
	tokens float64
	filled time.Time
}

// admit takes a call in, or says in the header when to come again. leave must follow an admitted one.
func (l *limiting) admit(header http.Header) bool {
	l.Lock()
	defer l.Unlock()
	within := l.concurrency == 0 || l.now < l.concurrency
	if l.perSecond > 0 {
		moment := time.Now()
		l.tokens = math.Min(l.burst, l.tokens+moment.Sub(l.filled).Seconds()*l.perSecond)
		l.filled = moment
		within = within && l.tokens >= 1
		if within {
			l.tokens--
		}
		if l.headers {
			// Anthropic's reset is when the bucket is full again, to the second.
			full := moment.Add(time.Duration((l.burst - l.tokens) / l.perSecond * float64(time.Second)))
			header.Set("anthropic-ratelimit-requests-limit", strconv.Itoa(int(math.Round(l.perSecond*60))))
			header.Set("anthropic-ratelimit-requests-remaining", strconv.Itoa(int(l.tokens)))
			header.Set("anthropic-ratelimit-requests-reset", full.Add(time.Second).UTC().Format(time.RFC3339))
		}
	}
	if within {
		l.now++
		return true
	}
	switch l.retryAfter {
	case "none":
	case "auto":
		wait := 1.0
		if l.perSecond > 0 {
			wait = math.Max(1, math.Ceil((1-l.tokens)/l.perSecond))
		}
		header.Set("Retry-After", strconv.Itoa(int(wait)))
	default:
		header.Set("Retry-After", l.retryAfter)
	}
	return false
}

func (l *limiting) leave() {
	l.Lock()
	l.now--
	l.Unlock()
}

func (l *limiting) configure(query url.Values) error {
	number := map[string]float64{}
	for name := range query {
		switch name {
		case "concurrency", "rpm", "burst":
			value, err := strconv.ParseFloat(query.Get(name), 64)
			if err != nil || value < 0 || math.IsNaN(value) || math.IsInf(value, 0) {
				return fmt.Errorf("%s: no number", name)
			}
			number[name] = value
		case "headers", "retry_after":
		default:
			return fmt.Errorf("no such limit: %s", name)
		}
	}
	headers, retryAfter := false, "auto"
	if query.Has("headers") {
		var err error
		if headers, err = strconv.ParseBool(query.Get("headers")); err != nil {
			return err
		}
	}
	if query.Has("retry_after") {
		retryAfter = query.Get("retry_after")
		_, err := strconv.Atoi(retryAfter)
		if retryAfter != "none" && retryAfter != "auto" && err != nil {
			return err
		}
	}
	l.Lock()
	defer l.Unlock()
	l.concurrency, l.perSecond, l.burst = int(number["concurrency"]), number["rpm"]/60, number["burst"]
	if l.burst == 0 {
		l.burst = math.Max(1, l.perSecond)
	}
	l.headers, l.retryAfter = headers, retryAfter
	l.tokens, l.filled = l.burst, time.Now()
	return nil
}
