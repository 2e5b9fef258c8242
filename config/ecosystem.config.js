// The programs under PM2:  pm2 start config/ecosystem.config.js
//
// From a checkout, `make run` (once) sets up the programs; an installed package
// is found on the PATH, or where TWISTD says.  The nodes are read from
// config/node_config.json, and settings from .env, in the folder of the
// checkout, else in the one that pm2 is called from.
"use strict";

const fs = require("fs");
const path = require("path");

const root = path.resolve(__dirname, "..");
const checkout = fs.existsSync(path.join(root, "setup.cfg"));
const installed = path.join(root, ".venv", "bin", "twistd");
const twistd = process.env.TWISTD || (checkout && fs.existsSync(installed) ? installed : "twistd");

function program(name, patience) {
  return {
    name,
    script: twistd,
    args: ["--nodaemon", "--pidfile=", name],
    interpreter: "none", // twistd names its own Python
    cwd: checkout ? root : process.cwd(),
    // One process is complete in itself; PM2's cluster mode is for Node.js programs.
    exec_mode: "fork",
    instances: 1,
    exp_backoff_restart_delay: 100,
    kill_timeout: patience * 1000,
  };
}

module.exports = {
  apps: [
    // Streams in flight may finish first: longer than the gateway's own "drain".
    program("ollama-gateway", 330),
    program("ollama-exporter", 10),
  ],
};
