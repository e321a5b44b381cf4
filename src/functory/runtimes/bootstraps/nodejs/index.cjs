'use strict';

// Functory's client of the Lambda Runtime API for Node.js: behaves as the client of Lambda's own Node.js runtimes does.
// Starts here: patch the console, load the function, serve invocations; turn what nobody caught into a report.

const { runtimeError, payload } = require('./errors.cjs');
const { patchConsole, logError } = require('./log.cjs');
const { RuntimeClient } = require('./client.cjs');
const { installGlobals, loadHandler } = require('./load.cjs');
const { Loop, whenDrained, DRAINED } = require('./loop.cjs');
const { InvokeStore } = require('./invoke_store.cjs');

const EXIT_UNSETTLED_IMPORT = 13; // Node's own status for a top-level await that never settles
const EXIT_UNHANDLED_REJECTION = 128;
const EXIT_UNCAUGHT_EXCEPTION = 129;

const isModern = Number.parseInt(process.versions.node, 10) >= 24;

/** Report what escaped the function to the invocation in progress, or as an init error before the first, and exit. */
function reportCrashes(client, loop) {
  let isReporting = false;
  const report = (title, error, status) => {
    logError(title, error);
    if (isReporting) return;
    isReporting = true;
    const posted = loop() ? loop().crash(error) : client.postInitError(error);
    posted.then(() => process.exit(status), () => process.exit(status));
  };
  process.on('uncaughtException', (error) => report('Uncaught Exception', error, EXIT_UNCAUGHT_EXCEPTION));
  process.on('unhandledRejection', (reason, promise) => {
    const error = runtimeError('UnhandledPromiseRejection', String(reason), { reason, promise });
    report('Unhandled Promise Rejection', error, EXIT_UNHANDLED_REJECTION);
  });
}

async function main() {
  const channel = process.env._FUNCTORY_STANDBY_FD;
  if (channel) await require('./standby.cjs').wait(Number(channel), isModern);
  patchConsole(isModern ? '-' : undefined);
  const client = new RuntimeClient(process.env.AWS_LAMBDA_RUNTIME_API);
  const invokeStore = isModern ? new InvokeStore() : undefined;
  let loop;
  reportCrashes(client, () => loop);
  whenDrained(() => process.exit(EXIT_UNSETTLED_IMPORT));
  process.on('beforeExit', () => globalThis[DRAINED]());
  installGlobals(invokeStore);
  let loaded;
  try {
    loaded = await loadHandler(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER, isModern);
  } catch (error) {
    logError(isModern ? 'Init Error' : 'Uncaught Exception', error);
    await client.postInitError(error);
    process.exit(isModern ? 1 : EXIT_UNCAUGHT_EXCEPTION);
  }
  whenDrained();
  loop = new Loop(client, loaded, isModern, invokeStore);
  try {
    await loop.run();
  } catch (error) {
    logError('Runtime Error', payload(error).errorMessage);
    process.exit(EXIT_UNCAUGHT_EXCEPTION);
  }
}

main();
