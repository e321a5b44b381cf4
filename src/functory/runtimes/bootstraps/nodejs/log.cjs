'use strict';

// Lambda's console: every line carries time, request id and level, as text or JSON. Goes to the framed log channel where
// the platform offers one (there a message may span lines), else to standard output, where line feeds become carriage
// returns so that one message stays one event.

const fs = require('node:fs');
const { format } = require('node:util');
const { asError, forLog } = require('./errors.cjs');

const LEVELS = {
  TRACE: { name: 'TRACE', priority: 1, mask: 0x04 },
  DEBUG: { name: 'DEBUG', priority: 2, mask: 0x08 },
  INFO: { name: 'INFO', priority: 3, mask: 0x0c },
  WARN: { name: 'WARN', priority: 4, mask: 0x10 },
  ERROR: { name: 'ERROR', priority: 5, mask: 0x14 },
  FATAL: { name: 'FATAL', priority: 6, mask: 0x18 },
};
const FRAME_JSON = 0xa55a0002;
const FRAME_TEXT = 0xa55a0003;
const FRAME_HEADER_BYTES = 16;

const current = { requestId: undefined, tenantId: undefined };
let isJson = false;

function errorFields(error) {
  return {
    errorType: error?.constructor?.name ?? 'UnknownError',
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : [],
  };
}

function expandErrors(_key, value) {
  return value instanceof Error ? { ...errorFields(value), ...value } : value;
}

function jsonLine(time, level, message, params) {
  const record = { timestamp: time, level: level.name, requestId: current.requestId };
  if (current.tenantId) record.tenantId = current.tenantId;
  if (params.length === 0) {
    record.message = message;
    try {
      return JSON.stringify(record, expandErrors);
    } catch {
      record.message = format(message); // circular, or holds a BigInt
      return JSON.stringify(record);
    }
  }
  record.message = format(message, ...params);
  const error = params.find((param) => param instanceof Error);
  return JSON.stringify(error ? { ...record, ...errorFields(error) } : record);
}

function writeAll(fd, bytes) {
  for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done);
}

function framedWriter(fd) {
  return (level, message, params) => {
    const now = new Date();
    const time = now.toISOString();
    const line = isJson
      ? jsonLine(time, level, message, params)
      : `${time}\t${current.requestId}\t${level.name}\t${format(message, ...params)}\n`;
    const size = Buffer.byteLength(line);
    const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + size);
    frame.writeUInt32BE(((isJson ? FRAME_JSON : FRAME_TEXT) | level.mask) >>> 0, 0);
    frame.writeUInt32BE(size, 4);
    frame.writeBigInt64BE(BigInt(now.valueOf()) * 1000n, 8);
    frame.write(line, FRAME_HEADER_BYTES);
    writeAll(fd, frame);
  };
}

function stdoutWriter(level, message, params) {
  const time = new Date().toISOString();
  const line = isJson
    ? jsonLine(time, level, message, params)
    : `${time}\t${current.requestId}\t${level.name}\t${format(message, ...params)}`;
  process.stdout.write(`${line.replace(/\n/g, '\r')}\n`);
}

function takeFrameDescriptor() {
  const raw = process.env._LAMBDA_TELEMETRY_LOG_FD;
  delete process.env._LAMBDA_TELEMETRY_LOG_FD;
  return raw !== undefined && /^\d+$/.test(raw) ? Number(raw) : undefined;
}

/** Replace the methods of `console`. AWS: levels below AWS_LAMBDA_LOG_LEVEL are dropped, FATAL never is. */
function patchConsole(requestIdBeforeFirst) {
  current.requestId = requestIdBeforeFirst;
  isJson = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';
  const least = LEVELS[process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()] ?? LEVELS.TRACE;
  const fd = takeFrameDescriptor();
  const write = fd === undefined ? stdoutWriter : framedWriter(fd);
  const method = (level) =>
    level.priority < least.priority ? () => {} : (message, ...params) => write(level, message, params);
  console.trace = method(LEVELS.TRACE);
  console.debug = method(LEVELS.DEBUG);
  console.info = method(LEVELS.INFO);
  console.log = console.info;
  console.warn = method(LEVELS.WARN);
  console.error = method(LEVELS.ERROR);
  console.fatal = method(LEVELS.FATAL);
}

/** Log a failure of the function; `title` is only seen in text. */
function logError(title, thrown) {
  const error = asError(thrown);
  if (isJson) console.error(error);
  else console.error(title, forLog(error));
}

/** Name the invocation that following lines belong to. */
function setInvocation(requestId, tenantId) {
  current.requestId = requestId;
  current.tenantId = tenantId;
}

module.exports = { patchConsole, logError, setInvocation };
