package main

// What each provider answers, and how it refuses with 429, by the path that its SDK calls.
type provider struct {
	answer, refusal string
}

const verdict = `{\"winner\":\"Essay A\",\"justification\":\"Essay A makes its case with evidence and answers the ` +
	`other side, while Essay B mostly repeats its claim.\",\"confidence\":4}`

var providers = map[string]provider{
	"/v1/messages": {
		answer: `{"id":"msg_benchmark","type":"message","role":"assistant","model":"claude-haiku-4-5",` +
			`"content":[{"type":"text","text":"` + verdict + `"}],"stop_reason":"end_turn","stop_sequence":null,` +
			`"usage":{"input_tokens":900,"output_tokens":60,"cache_creation_input_tokens":0,` +
			`"cache_read_input_tokens":0}}`,
		refusal: `{"type":"error","error":{"type":"rate_limit_error","message":"too many"}}`,
	},
	"/v1/responses": {
		answer: `{"id":"resp_benchmark","object":"response","created_at":1700000000,"status":"completed",` +
			`"error":null,"incomplete_details":null,"model":"gpt-6-luna","output":[{"type":"message",` +
			`"id":"msg_benchmark","status":"completed","role":"assistant","content":[{"type":"output_text",` +
			`"text":"` + verdict + `","annotations":[]}]}],"usage":{"input_tokens":900,` +
			`"input_tokens_details":{"cached_tokens":0},"output_tokens":60,` +
			`"output_tokens_details":{"reasoning_tokens":0},"total_tokens":960}}`,
		refusal: `{"error":{"message":"too many","type":"requests","param":null,"code":"rate_limit_exceeded"}}`,
	},
	// The model and the method are the rest of the path.
	"/v1beta/models/": {
		answer: `{"candidates":[{"content":{"parts":[{"text":"` + verdict + `"}],"role":"model"},` +
			`"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":900,` +
			`"candidatesTokenCount":60,"totalTokenCount":960},"modelVersion":"gemini-3.8-flash",` +
			`"responseId":"benchmark"}`,
		refusal: `{"error":{"code":429,"message":"too many","status":"RESOURCE_EXHAUSTED"}}`,
	},
}
