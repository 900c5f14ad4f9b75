// Runs Portkey's gateway on loopback, in several processes that share its port: node portkey.cjs PROCESSES SERVER …
//
// The gateway listens on every address and is one process. `cluster` is Node's own way to use more cores, and the first
// process only hands out connections. One that ends takes all others with it, so that nothing is measured short-handed.
"use strict";

const cluster = require("node:cluster");
const net = require("node:net");
const { pathToFileURL } = require("node:url");

const [processes, server, ...rest] = process.argv.slice(2);

if (cluster.isPrimary) {
  for (let i = 0; i < Number(processes); i++) cluster.fork();
  cluster.on("exit", () => process.exit(1));
  process.on("SIGTERM", () => process.exit(0));
} else {
  const listen = net.Server.prototype.listen;
  net.Server.prototype.listen = function (port, ...more) {
    return listen.call(this, { port: Number(port), host: "127.0.0.1" }, ...more.filter((one) => typeof one === "function"));
  };
  process.argv = [process.argv[0], server, ...rest];
  import(pathToFileURL(server).href);
}
