// An upstream that costs little CPU: answers what Anthropic, OpenAI and Google are asked with a fixed verdict, after a
// delay, and within limits.
//
//	upstream -port 7000 -delay 20ms
//	POST /v1/messages, /v1/responses, /v1beta/models/{model}:generateContent
//	GET  /stats                     see counts.go
//	POST /delay?is=1s&sd=500ms      how long an answer takes; with sd, log-normal with that mean and standard deviation
//	POST /limit?concurrency=40&rpm=6000&burst=100&headers=true&retry_after=none
//	                                what it takes; what is not named is not limited (limits.go)
//	POST /close?is=true             each answer closes its connection
//
// Each setting is a flag, too. Setting one leaves the others as they are.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

var (
	counts  counting
	delays  delaying
	limits  limiting
	closing atomic.Bool
)

// serve answers one call in the words of a provider.
func serve(p provider) http.HandlerFunc {
	length := strconv.Itoa(len(p.answer))
	answer, refusal := []byte(p.answer), []byte(p.refusal)
	return func(w http.ResponseWriter, r *http.Request) {
		arrived := time.Now()
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		header := w.Header()
		header.Set("Content-Type", "application/json")
		if closing.Load() {
			header.Set("Connection", "close")
		}
		if !limits.admit(header) {
			counts.refused.Add(1)
			w.WriteHeader(http.StatusTooManyRequests)
			w.Write(refusal)
			return
		}
		defer limits.leave()
		// Counted when it is taken: a caller that gives up has been served all the same.
		counts.enter()
		defer counts.leave(arrived)
		time.Sleep(delays.next())
		header.Set("Content-Length", length)
		header.Set("request-id", "req_benchmark")
		w.Write(answer)
	}
}

// control is a page of the benchmark's own: its connections are not the callers'.
func control(path string, set func(url.Values) error) {
	http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		counts.control(r.Context())
		if r.Method != http.MethodPost {
			http.Error(w, "POST", http.StatusMethodNotAllowed)
			return
		}
		if err := set(r.URL.Query()); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Write([]byte("{}"))
	})
}

func setClosing(query url.Values) error {
	is, err := strconv.ParseBool(query.Get("is"))
	if err == nil {
		closing.Store(is)
	}
	return err
}

func main() {
	port := flag.Int("port", 0, "port on 127.0.0.1")
	is := flag.Duration("delay", 20*time.Millisecond, "how long an answer takes; with -sd, the mean")
	sd := flag.Duration("sd", 0, "standard deviation of that time, log-normal; 0: always the same")
	limit := flag.String("limit", "", "as in POST /limit?…: concurrency=40&rpm=6000&burst=100&headers=true")
	close := flag.Bool("close", false, "each answer closes its connection")
	flag.Parse()
	delays.set(*is, *sd)
	closing.Store(*close)
	query, err := url.ParseQuery(*limit)
	if err == nil {
		err = limits.configure(query)
	}
	if err != nil {
		log.Fatal(err)
	}
	for path, p := range providers {
		http.HandleFunc(path, serve(p))
	}
	http.HandleFunc("/stats", counts.show)
	control("/delay", delays.configure)
	control("/limit", limits.configure)
	control("/close", setClosing)
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	server := http.Server{
		ConnState: counts.state,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, new(atomic.Bool))
		},
	}
	log.Fatal(server.Serve(listener))
}
