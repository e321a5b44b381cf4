'use strict';

// Response streaming: a Writable whose bytes go to the Runtime API as they come. A failure after the first byte travels in
// trailers, since the status is long gone.

const { Writable } = require('node:stream');
const { runtimeError, payload, headerValue } = require('./errors.cjs');

const ERROR_TYPE = 'Lambda-Runtime-Function-Error-Type';
const ERROR_BODY = 'Lambda-Runtime-Function-Error-Body';
const INTEGRATION_TYPE = 'application/vnd.awslambda.http-integration-response';
const PRELUDE_END = Buffer.alloc(8);

class ResponseStream extends Writable {
  constructor(client, requestId, highWaterMark) {
    super({ decodeStrings: false, ...(highWaterMark === undefined ? {} : { highWaterMark }) });
    const headers = {
      'Lambda-Runtime-Function-Response-Mode': 'streaming',
      'Content-Type': 'application/octet-stream',
      'Transfer-Encoding': 'chunked',
      Trailer: [ERROR_TYPE, ERROR_BODY],
    };
    this.request = client.openStream(requestId, headers, highWaterMark);
    this.hasBegun = false;
    this.answered = new Promise((resolve, reject) => {
      this.request.on('response', (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
        response.on('error', reject);
      });
      this.request.on('error', reject);
    });
    this.answered.catch((error) => this.destroy(error));
    this.on('error', () => {}); // reported through `answered`; the handler may listen as well
  }

  /** AWS: possible until the first byte. */
  setContentType(type) {
    if (this.hasBegun) throw runtimeError('InvalidStreamingOperation', 'Cannot set content-type, too late.');
    this.request.setHeader('Content-Type', type);
  }

  write(chunk, encoding, callback) {
    const isBytes = typeof chunk === 'string' || chunk instanceof Uint8Array;
    this.begin();
    return super.write(isBytes ? chunk : JSON.stringify(chunk), encoding, callback);
  }

  /** Write what must precede the body (`HttpResponseStream.from`), once. */
  begin() {
    if (this.hasBegun) return;
    this.hasBegun = true;
    if (typeof this._onBeforeFirstWrite === 'function') this._onBeforeFirstWrite((chunk) => super.write(chunk));
  }

  end(...args) {
    this.begin();
    return super.end(...args);
  }

  _write(chunk, encoding, callback) {
    this.request.write(chunk, encoding === 'buffer' ? undefined : encoding, callback);
  }

  _final(callback) {
    this.request.end(callback);
  }

  /** End with an error, whatever was written before; returns when the Runtime API has it. */
  async fail(thrown) {
    const body = payload(thrown);
    this.request.addTrailers({
      [ERROR_TYPE]: headerValue(body.errorType),
      [ERROR_BODY]: Buffer.from(JSON.stringify(body)).toString('base64'),
    });
    this.request.end();
    await this.answered;
  }
}

class HttpResponseStream {
  /** Make `stream` carry status, headers and cookies of an HTTP response before its body. */
  static from(stream, prelude) {
    stream.setContentType(INTEGRATION_TYPE);
    const head = JSON.stringify(prelude);
    stream._onBeforeFirstWrite = (write) => {
      write(head);
      write(PRELUDE_END);
    };
    return stream;
  }
}

module.exports = { ResponseStream, HttpResponseStream };
