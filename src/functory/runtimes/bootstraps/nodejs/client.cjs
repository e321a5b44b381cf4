'use strict';

// The Runtime API over one kept connection. A kept connection may have been closed while the environment was frozen, so a
// request that dies on a reused connection before any answer is sent once more.

const http = require('node:http');
const { payload, xrayCause, headerValue, headerJson } = require('./errors.cjs');

const PREFIX = '/2018-06-01/runtime';
const MAX_XRAY_CAUSE_BYTES = 64 * 1024;

class RuntimeClient {
  constructor(address) {
    const colon = address.lastIndexOf(':');
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1, noDelay: true });
    this.target = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)), agent };
  }

  /** Wait for the next invocation: `{headers, body}` with the body as text. */
  async next() {
    const answer = await this.send('GET', '/invocation/next');
    if (answer.status !== 200) throw new Error(`Runtime API refused next: ${answer.status} ${answer.body}`);
    return answer;
  }

  async postResponse(id, json) {
    const headers = { 'Content-Type': 'application/json' };
    this.check(await this.send('POST', `/invocation/${encodeURIComponent(id)}/response`, headers, json));
  }

  /** `isLast`: the process is about to end; does not wait for the kept connection, which may be in use. */
  async postError(id, thrown, isLast = false) {
    const headers = {};
    const cause = headerJson(xrayCause(thrown));
    if (cause && cause.length <= MAX_XRAY_CAUSE_BYTES) headers['Lambda-Runtime-Function-Xray-Error-Cause'] = cause;
    this.check(await this.sendError(`/invocation/${encodeURIComponent(id)}/error`, thrown, headers, isLast));
  }

  async postInitError(thrown) {
    await this.sendError('/init/error', thrown, {}, true);
  }

  /** The request that a streamed response is written to. */
  openStream(id, headers, highWaterMark) {
    return http.request({
      ...this.target,
      ...(highWaterMark === undefined ? {} : { highWaterMark }),
      method: 'POST',
      path: `${PREFIX}/invocation/${encodeURIComponent(id)}/response`,
      headers,
    });
  }

  sendError(path, thrown, headers, isLast) {
    const body = payload(thrown);
    headers['Content-Type'] = 'application/json';
    headers['Lambda-Runtime-Function-Error-Type'] = headerValue(body.errorType);
    return this.send('POST', path, headers, JSON.stringify(body), isLast);
  }

  check(answer) {
    // AWS: 500 is not recoverable, the runtime exits; other refusals (413: too large) are the platform's to report.
    if (answer.status >= 500) throw new Error(`Runtime API failed: ${answer.status} ${answer.body}`);
  }

  send(method, path, headers = {}, body = undefined, isFresh = false) {
    return new Promise((resolve, reject) => {
      if (body !== undefined) headers['Content-Length'] = Buffer.byteLength(body);
      const target = isFresh ? { ...this.target, agent: false } : this.target;
      const request = http.request({ ...target, method, path: PREFIX + path, headers });
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece) => (text += piece));
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: text }));
        response.on('error', reject);
      });
      request.on('error', (error) => {
        const isStale = request.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code);
        if (isStale) resolve(this.send(method, path, headers, body, true));
        else reject(error);
      });
      request.end(body);
    });
  }
}

module.exports = { RuntimeClient };
