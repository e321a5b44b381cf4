'use strict';

// A process that is started before its function is known: it rehearses an invocation against a stand-in of the Runtime API,
// so that everything an invocation takes is loaded and compiled, then waits for its orders on an inherited socket and takes
// on the function's environment. The function finds the process as a new one.

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { promisify } = require('node:util');
const { RuntimeClient } = require('./client.cjs');
const { loadHandler } = require('./load.cjs');
const { Loop, whenDrained } = require('./loop.cjs');
const { SdkStash } = require('./sdk_stash.cjs');

const read = promisify(fs.read);
const CALM_MS = 500;
const CHUNK_BYTES = 65536;
const ROUNDS = 3;
const TURNS_MAX = 1000;
const EVENT_HEADERS = { 'Lambda-Runtime-Aws-Request-Id': '0', 'Lambda-Runtime-Deadline-Ms': '0', 'Content-Type': 'application/json' };

/** A Runtime API that gives `ROUNDS` events, then refuses. */
function standIn() {
  let left = ROUNDS;
  return http.createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      if (request.method !== 'GET') response.writeHead(202).end('{}');
      else if (left-- > 0) response.writeHead(200, EVENT_HEADERS).end('{}');
      else response.writeHead(410).end();
    });
  });
}

async function rehearse(isModern) {
  const server = standIn();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = new RuntimeClient(`127.0.0.1:${server.address().port}`);
  const loaded = await loadHandler(__dirname, 'rehearsal.handler', isModern);
  await new Loop(client, loaded, isModern, undefined).run().catch(() => {}); // ends with the refusal
  client.target.agent.destroy();
  await new Promise((resolve) => server.close(resolve));
  for (let turn = 0; turn < TURNS_MAX && process.getActiveResourcesInfo().some((kind) => kind.startsWith('TCP')); turn++) {
    await new Promise((resolve) => setImmediate(resolve)); // closed handles go with the turns of the event loop
  }
  whenDrained();
}

/**
 * Say that this process waits; the orders, when they come. Ends the process when the node is gone.
 *
 * Whoever waits for a while has time to load what not every function needs: `inCalm` is called once then.
 */
async function receive(channel, inCalm) {
  fs.writeSync(channel, '1');
  const timer = setTimeout(inCalm, CALM_MS);
  const pieces = [];
  for (;;) {
    const { bytesRead, buffer } = await read(channel, Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, null);
    clearTimeout(timer);
    if (bytesRead === 0) break;
    pieces.push(buffer.subarray(0, bytesRead));
  }
  fs.closeSync(channel);
  await new Promise((resolve) => setImmediate(resolve)); // the last read counts as going on until its turn is over
  if (pieces.length === 0) process.exit(0);
  return JSON.parse(Buffer.concat(pieces).toString('utf8'));
}

/** Wait, then go on as if the process had been started for this function. */
async function wait(channel, isModern) {
  await rehearse(isModern);
  const sdk = new SdkStash();
  const orders = await receive(channel, () => sdk.fill());
  // What the OCI runtime and the shell have added stays, and what is so already: to set TZ makes Node.js read time zones anew.
  for (const name of orders.started_with) if (orders.env[name] === undefined) delete process.env[name];
  for (const [name, value] of Object.entries(orders.env)) if (process.env[name] !== value) process.env[name] = value;
  process.chdir(orders.cwd);
  sdk.offer();
  for (const file of ['standby.cjs', 'rehearsal.cjs', 'sdk_stash.cjs']) delete require.cache[path.join(__dirname, file)];
}

module.exports = { wait };
