package main

import (
	"errors"
	"math"
	"math/rand"
	"net/url"
	"sync"
	"time"
)

// How long answers take: all the same, or log-normal. The draws are the same after each setting, so that runs compare.
type delaying struct {
	sync.Mutex
	fixed     time.Duration
	mu, sigma float64
	random    *rand.Rand
}

// The same for each run.
const seed = 20

func (d *delaying) set(mean, sd time.Duration) {
	d.Lock()
	defer d.Unlock()
	d.fixed, d.random = mean, nil
	if sd > 0 {
		spread := sd.Seconds() / mean.Seconds()
		d.sigma = math.Sqrt(math.Log(1 + spread*spread))
		d.mu = math.Log(mean.Seconds()) - d.sigma*d.sigma/2
		d.random = rand.New(rand.NewSource(seed))
	}
}

func (d *delaying) next() time.Duration {
	d.Lock()
	defer d.Unlock()
	if d.random == nil {
		return d.fixed
	}
	return time.Duration(math.Exp(d.mu+d.sigma*d.random.NormFloat64()) * float64(time.Second))
}

func (d *delaying) configure(query url.Values) error {
	mean, err := time.ParseDuration(query.Get("is"))
	if err != nil {
		return err
	}
	sd := time.Duration(0)
	if query.Has("sd") {
		if sd, err = time.ParseDuration(query.Get("sd")); err != nil {
			return err
		}
	}
	if mean < 0 || sd < 0 || (sd > 0 && mean == 0) {
		return errors.New("a delay is not negative, and one that varies is not 0")
	}
	d.set(mean, sd)
	return nil
}
