// A load client that costs little CPU: the same POST many times over kept-alive connections.
//
// Closed loop (-rate 0): each connection sends the next request when it has its answer.
// Paced (-rate R): request i is due at i/R seconds. Its latency counts from then on, also while it waits for a free
// connection, so that a slow server cannot hide behind requests that were not sent.
//
// -header "Name: value" may be given again and again. What is answered may be anything with a Content-Length: a queue id
// is noted where there is one.
//
// Writes one line a request to -out: start (unix ns, when due), latency (ns), status (0: no answer), queue id. Prints a
// summary as JSON.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type record struct {
	start   time.Time
	latency time.Duration
	status  int
	queueID string
}

var mark = []byte(`"queue_id":"`)

const idLength = 36

// connection speaks as much HTTP/1.1 as the server under test: answers with a Content-Length.
type connection struct {
	address string
	net.Conn
	reader *bufio.Reader
	body   []byte
}

func (c *connection) open() error {
	dialled, err := net.Dial("tcp", c.address)
	if err != nil {
		return err
	}
	c.Conn, c.reader = dialled, bufio.NewReader(dialled)
	return nil
}

func (c *connection) reset() {
	if c.Conn != nil {
		c.Close()
		c.Conn = nil
	}
}

func (c *connection) post(request []byte, deadline time.Time) (status int, queueID string, err error) {
	if c.Conn == nil {
		if err = c.open(); err != nil {
			return 0, "", err
		}
	}
	c.SetDeadline(deadline)
	if _, err = c.Write(request); err != nil {
		return 0, "", err
	}
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, "", err
	}
	if len(line) < 12 {
		return 0, "", errors.New("no status line")
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, "", err
	}
	size := -1
	for {
		if line, err = c.reader.ReadSlice('\n'); err != nil {
			return 0, "", err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if len(name) == len("content-length") && bytes.EqualFold(name, []byte("content-length")) {
			if size, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, "", err
			}
		}
	}
	if size < 0 {
		return 0, "", errors.New("answer without Content-Length")
	}
	if cap(c.body) < size {
		c.body = make([]byte, size)
	}
	c.body = c.body[:size]
	if _, err = io.ReadFull(c.reader, c.body); err != nil {
		return 0, "", err
	}
	if at := bytes.Index(c.body, mark); at >= 0 && at+len(mark)+idLength <= size {
		queueID = string(c.body[at+len(mark) : at+len(mark)+idLength])
	}
	return status, queueID, nil
}

// headers are what -header was given, as lines of a request.
type headers string

func (h *headers) String() string { return string(*h) }

func (h *headers) Set(line string) error {
	if name, _, found := strings.Cut(line, ":"); !found || name == "" || strings.ContainsAny(line, "\r\n") {
		return fmt.Errorf("no header: %q", line)
	}
	*h += headers(line + "\r\n")
	return nil
}

func percentile(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	place := int(share * float64(len(sorted)))
	if place >= len(sorted) {
		place = len(sorted) - 1
	}
	return sorted[place]
}

func main() {
	target := flag.String("url", "", "where to POST")
	bodyFile := flag.String("body", "", "file with the JSON body")
	n := flag.Int("n", 1000, "requests")
	connections := flag.Int("connections", 64, "connections")
	rate := flag.Float64("rate", 0, "requests a second; 0: closed loop")
	seconds := flag.Float64("seconds", 60, "give up after")
	out := flag.String("out", "", "file for one line a request")
	var more headers
	flag.Var(&more, "header", "\"Name: value\" to send; may be repeated")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	where, err := url.Parse(*target)
	if err != nil {
		log.Fatal(err)
	}
	body, err := os.ReadFile(*bodyFile)
	if err != nil {
		log.Fatal(err)
	}
	request := []byte(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"+
		"%sContent-Length: %d\r\n\r\n%s", where.RequestURI(), where.Host, more, len(body), body))

	records := make([]record, *n)
	var next atomic.Int64
	var group sync.WaitGroup
	begin := time.Now()
	deadline := begin.Add(time.Duration(*seconds * float64(time.Second)))
	for range make([]struct{}, *connections) {
		group.Add(1)
		go func() {
			defer group.Done()
			c := connection{address: where.Host}
			defer c.reset()
			for {
				i := int(next.Add(1)) - 1
				if i >= *n {
					return
				}
				start := time.Now()
				if *rate > 0 {
					start = begin.Add(time.Duration(float64(i) / *rate * float64(time.Second)))
					time.Sleep(time.Until(start))
				}
				if time.Now().After(deadline) {
					return
				}
				status, queueID, err := c.post(request, deadline)
				if err != nil {
					c.reset()
				}
				records[i] = record{start, time.Since(start), status, queueID}
			}
		}()
	}
	group.Wait()
	took := time.Since(begin).Seconds()

	var lines strings.Builder
	var latencies []float64
	sent, accepted := 0, 0
	for _, r := range records {
		if r.start.IsZero() {
			continue
		}
		sent++
		if r.status >= 200 && r.status < 300 {
			accepted++
			latencies = append(latencies, float64(r.latency.Nanoseconds())/1e6)
		}
		fmt.Fprintf(&lines, "%d %d %d %s\n", r.start.UnixNano(), r.latency.Nanoseconds(), r.status, r.queueID)
	}
	if *out != "" {
		if err := os.WriteFile(*out, []byte(lines.String()), 0o600); err != nil {
			log.Fatal(err)
		}
	}
	sort.Float64s(latencies)
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	cpu := float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
	fmt.Printf(`{"sent":%d,"accepted":%d,"seconds":%.4f,"rate":%.1f,"p50_ms":%.3f,"p95_ms":%.3f,"p99_ms":%.3f,"cpu_seconds":%.3f}`+"\n",
		sent, accepted, took, float64(accepted)/took,
		percentile(latencies, .5), percentile(latencies, .95), percentile(latencies, .99), cpu)
}
