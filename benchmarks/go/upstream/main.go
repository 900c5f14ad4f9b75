// An upstream that costs little CPU: answers Anthropic's POST /v1/messages with a fixed verdict after a delay.
//
//	upstream -port 7000 -delay 20ms
//	GET  /stats          {"calls": all so far, "in_flight": now, "peak": most at a time since the last /stats}
//	POST /delay?is=1s    sets the delay
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

const answer = `{"id":"msg_benchmark","type":"message","role":"assistant","model":"claude-haiku-4-5",` +
	`"content":[{"type":"text","text":"{\"winner\":\"Essay A\",\"justification\":\"Essay A makes its case with ` +
	`evidence and answers the other side, while Essay B mostly repeats its claim.\",\"confidence\":4}"}],` +
	`"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":900,"output_tokens":60,` +
	`"cache_creation_input_tokens":0,"cache_read_input_tokens":0}}`

var (
	body                         = []byte(answer)
	length                       = strconv.Itoa(len(answer))
	delay, calls, inFlight, peak atomic.Int64
)

func messages(w http.ResponseWriter, r *http.Request) {
	now := inFlight.Add(1)
	defer inFlight.Add(-1)
	for {
		most := peak.Load()
		if now <= most || peak.CompareAndSwap(most, now) {
			break
		}
	}
	// Counted when it arrives: a caller that gives up has been served all the same.
	calls.Add(1)
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	time.Sleep(time.Duration(delay.Load()))
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", length)
	header.Set("request-id", "req_benchmark")
	w.Write(body)
}

func stats(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, `{"calls":%d,"in_flight":%d,"peak":%d}`, calls.Load(), inFlight.Load(), peak.Swap(inFlight.Load()))
}

func setDelay(w http.ResponseWriter, r *http.Request) {
	is, err := time.ParseDuration(r.URL.Query().Get("is"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	delay.Store(int64(is))
}

func main() {
	port := flag.Int("port", 0, "port on 127.0.0.1")
	is := flag.Duration("delay", 20*time.Millisecond, "how long an answer takes")
	flag.Parse()
	delay.Store(int64(*is))
	http.HandleFunc("/v1/messages", messages)
	http.HandleFunc("/stats", stats)
	http.HandleFunc("/delay", setDelay)
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, nil))
}
