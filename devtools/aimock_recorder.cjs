// Preloaded into aimock (node --require): aimock's journal holds its own normalised form of each request, so this
// writes what really came over the wire, one JSON object a line, to the file named by RECORD_TO. Keys are left out.
const fs = require("node:fs");
const http = require("node:http");

const emit = http.Server.prototype.emit;
const SECRET = new Set(["authorization", "x-api-key", "x-goog-api-key"]);

http.Server.prototype.emit = function (event, request, ...rest) {
  if (event === "request" && !request.url.startsWith("/__aimock/") && request.url !== "/metrics") record(request);
  return emit.call(this, event, request, ...rest);
};

function record(request) {
  const chunks = [];
  const push = request.push;
  request.push = function (chunk, encoding) {
    if (chunk === null) save(request, Buffer.concat(chunks).toString("utf8"));
    else chunks.push(Buffer.from(chunk, encoding));
    return push.call(this, chunk, encoding);
  };
}

function save(request, text) {
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, SECRET.has(name) ? "[REDACTED]" : value]),
  );
  let body = text;
  try {
    body = JSON.parse(text);
  } catch {
    // A multipart upload, or a body that is no JSON: kept as text.
  }
  const path = request.url.replace(/([?&]key=)[^&]*/, "$1[REDACTED]");
  fs.appendFileSync(process.env.RECORD_TO, JSON.stringify({ method: request.method, path, headers, body }) + "\n");
}
