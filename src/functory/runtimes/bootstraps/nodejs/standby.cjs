'use strict';

// A process that is started before its function is known: it waits for its orders on an inherited socket and takes on the
// function's environment. Nothing else runs meanwhile, so that the function finds the process as a new one.

const fs = require('node:fs');

const CHUNK_BYTES = 65536;

/** Say that this process waits; the orders, when they come. Ends the process when the node is gone. */
function receive(channel) {
  fs.writeSync(channel, '1');
  const pieces = [];
  for (;;) {
    const piece = Buffer.alloc(CHUNK_BYTES);
    const size = fs.readSync(channel, piece, 0, CHUNK_BYTES);
    if (size === 0) break;
    pieces.push(piece.subarray(0, size));
  }
  fs.closeSync(channel);
  if (pieces.length === 0) process.exit(0);
  return JSON.parse(Buffer.concat(pieces).toString('utf8'));
}

/** Wait, then go on as if the process had been started for this function. */
function wait(channel) {
  const orders = receive(channel);
  const last = process.env._; // the shell that starts the process names the program there
  for (const name of Object.keys(process.env)) delete process.env[name];
  if (last !== undefined) process.env._ = last;
  for (const [name, value] of Object.entries(orders.env)) process.env[name] = value;
  process.chdir(orders.cwd);
  delete require.cache[__filename];
}

module.exports = { wait };
