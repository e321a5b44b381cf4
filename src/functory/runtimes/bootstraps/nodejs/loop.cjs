'use strict';

// One invocation after the other. Until Node.js 22 a handler may end through its callback, through `context.done` and its
// kin, through a promise, or by leaving nothing to do (an empty event loop ends the invocation); from Node.js 24 only
// through what it returns.

const { runtimeError } = require('./errors.cjs');
const { logError, setInvocation } = require('./log.cjs');
const { ResponseStream } = require('./stream.cjs');

const DRAINED = Symbol.for('aws.lambda.beforeExit'); // shared with instrumentation that hooks the empty event loop
const NEVER_SETTLED =
  'The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that ' +
  'was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes';

const NOTHING = () => {};
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
const isPromise = (value) => typeof value?.then === 'function';

/** Set what happens when the event loop runs empty; without argument: nothing. */
function whenDrained(action) {
  globalThis[DRAINED] = action ? () => setImmediate(action) : NOTHING; // setImmediate: an empty loop would end the process
}

function parseHeader(headers, name) {
  const text = headers[name];
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error}`);
  }
}

/** Add what is known of the invocation to `context`. */
function fillContext(context, headers) {
  const deadlineMs = Number.parseInt(headers['lambda-runtime-deadline-ms'], 10);
  return Object.assign(context, {
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parseHeader(headers, 'lambda-runtime-client-context'),
    identity: parseHeader(headers, 'lambda-runtime-cognito-identity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    tenantId: headers['lambda-runtime-aws-tenant-id'],
    getRemainingTimeInMillis: () => deadlineMs - Date.now(),
  });
}

class Loop {
  constructor(client, loaded, isModern, invokeStore) {
    this.client = client;
    this.loaded = loaded;
    this.isModern = isModern;
    this.invokeStore = invokeStore;
    this.requestId = undefined; // of the invocation in progress
    this.openStream = undefined;
  }

  /** Tell the invocation in progress of an error that nobody caught; the process ends afterwards. */
  async crash(error) {
    if (this.openStream) await this.openStream.fail(error);
    else if (this.requestId !== undefined) await this.client.postError(this.requestId, error, true);
  }

  /** Serve invocations for ever; rejects when the Runtime API fails. */
  async run() {
    for (;;) {
      const { headers, body } = await this.client.next();
      await this.serve(headers, body);
      this.requestId = undefined;
      this.openStream = undefined;
      whenDrained();
      await nextTurn();
    }
  }

  async serve(headers, body) {
    this.requestId = headers['lambda-runtime-aws-request-id'];
    const traceId = headers['lambda-runtime-trace-id'];
    setInvocation(this.requestId, headers['lambda-runtime-aws-tenant-id']);
    if (traceId) process.env._X_AMZN_TRACE_ID = traceId;
    else delete process.env._X_AMZN_TRACE_ID;
    const start = () => (this.loaded.isStreaming ? this.stream(headers, body) : this.buffer(headers, body));
    if (!this.invokeStore) return start();
    return this.invokeStore.begin(this.requestId, traceId, headers['lambda-runtime-aws-tenant-id'], start);
  }

  /** A buffered invocation: run the handler, post what came of it. */
  async buffer(headers, body) {
    const outcome = await this.outcomeOf(headers, body);
    let json;
    if (!outcome.isError) {
      try {
        json = JSON.stringify(outcome.value === undefined ? null : outcome.value) ?? 'null';
      } catch {
        const text = 'Unable to stringify response body';
        outcome.isError = true;
        outcome.value = this.isModern ? runtimeError('JSONStringifyError', text) : new Error(text);
      }
    }
    if (!outcome.isError) return this.client.postResponse(this.requestId, json);
    logError('Invoke Error', outcome.value);
    return this.client.postError(this.requestId, outcome.value);
  }

  /** How the handler ended: `{isError, value}`. The first way of ending counts, later ones are ignored. */
  outcomeOf(headers, body) {
    return new Promise((resolve) => {
      const succeed = (value) => resolve({ isError: false, value });
      const fail = (value) => resolve({ isError: true, value: value ?? 'handled' });
      const isAsync = this.loaded.isAsync || this.isModern;
      whenDrained(() => (isAsync ? fail(runtimeError('NodeJsExit', NEVER_SETTLED)) : succeed(null)));
      try {
        const ways = this.isModern ? { context: {} } : waysToEnd(succeed, fail);
        const context = fillContext(ways.context, headers);
        const result = this.loaded.handler(JSON.parse(body), context, ...(this.isModern ? [] : [ways.callback]));
        if (isPromise(result)) result.then(succeed, fail);
        else if (this.isModern) succeed(result);
      } catch (error) {
        fail(error);
      }
    });
  }

  /** A streaming invocation: the handler writes, the Runtime API's answer ends it. */
  async stream(headers, body) {
    let waitsForEmptyLoop = true;
    const context = this.isModern
      ? {}
      : {
          get callbackWaitsForEmptyEventLoop() {
            return waitsForEmptyLoop;
          },
          set callbackWaitsForEmptyEventLoop(value) {
            waitsForEmptyLoop = value;
          },
        };
    const stream = new ResponseStream(this.client, this.requestId, this.loaded.highWaterMark);
    this.openStream = stream;
    try {
      const running = this.loaded.handler(JSON.parse(body), stream, fillContext(context, headers));
      if (!isPromise(running)) throw new Error('Streaming does not support non-async handlers.');
      const result = await running;
      if (result !== undefined) console.warn('Streaming handlers ignore return values.');
      await stream.answered; // AWS: a stream that is never ended lasts until the function's timeout
      if (!stream.writableFinished) throw new Error('Response stream is not finished.');
    } catch (error) {
      logError('Invoke Error', error);
      await stream.fail(error);
      return;
    }
    if (!this.isModern && waitsForEmptyLoop) await new Promise((resolve) => whenDrained(resolve));
  }
}

/** The context and callback with which handlers may end until Node.js 22. */
function waysToEnd(succeed, fail) {
  let waitsForEmptyLoop = true;
  const done = (error, value) => (error === undefined || error === null ? succeed(value) : fail(error));
  const context = {
    get callbackWaitsForEmptyEventLoop() {
      return waitsForEmptyLoop;
    },
    set callbackWaitsForEmptyEventLoop(value) {
      waitsForEmptyLoop = value;
    },
    succeed,
    fail,
    done,
  };
  let isCalled = false;
  const callback = (error, value) => {
    if (isCalled) return;
    isCalled = true;
    if ((error !== undefined && error !== null) || !waitsForEmptyLoop) done(error, value);
    else whenDrained(() => succeed(value));
  };
  return { context, callback };
}

module.exports = { Loop, whenDrained, DRAINED };
