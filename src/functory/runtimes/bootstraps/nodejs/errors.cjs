'use strict';

// The errors this client reports, and how any thrown value becomes the bodies and headers of the Runtime API.

const DEL = /\x7f/g;

/** An error whose `name` is the `errorType` that callers see (`Runtime.<reason>`). */
function runtimeError(reason, message, extra) {
  const error = new Error(message);
  Object.defineProperty(error, 'name', { value: `Runtime.${reason}`, configurable: true, writable: true });
  if (extra) Object.assign(error, extra);
  return error;
}

function looksLikeError(value) {
  if (value instanceof Error) return true;
  return Boolean(value) && ['name', 'message', 'stack'].every((key) => typeof value[key] === 'string' && value[key]);
}

function asError(value) {
  return value instanceof Error ? value : new Error(String(value));
}

function clean(text) {
  return typeof text === 'string' ? text.replace(DEL, '%7F') : text;
}

/** The `{errorType, errorMessage, trace}` body of a thrown value. */
function payload(thrown) {
  try {
    if (looksLikeError(thrown)) {
      return {
        errorType: clean(thrown.name),
        errorMessage: clean(thrown.message),
        trace: (clean(thrown.stack) || '').split('\n'),
      };
    }
    return { errorType: typeof thrown, errorMessage: String(thrown), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage:
        'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
      trace: [],
    };
  }
}

/** The value as it is written to the text log: an error's own fields, its type and its stack by lines. */
function forLog(thrown) {
  const expand = (_key, value) => {
    if (!(value instanceof Error)) return value;
    const fields = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
    if (typeof value.stack === 'string') fields.stack = value.stack.split('\n');
    return fields;
  };
  try {
    return `\t${JSON.stringify(thrown, expand)}`;
  } catch {
    return `\t${JSON.stringify(payload(thrown))}`;
  }
}

/** One frame of a V8 stack (`at label (path:line:column)`) as X-Ray wants it. */
function xrayFrame(line) {
  const text = line.trim().replace(/[()]/g, '').replace(/^\S*\s/, '');
  const space = text.lastIndexOf(' ');
  const [path, number] = text.slice(space + 1).split(':');
  return { path, line: Number.parseInt(number, 10) || 0, label: space > 0 ? text.slice(0, space) : 'anonymous' };
}

/** The X-Ray cause of a thrown value, or '' when it has none that can be told. */
function xrayCause(thrown) {
  try {
    const stack = (clean(thrown.stack) || '').split('\n').slice(1).map(xrayFrame);
    return JSON.stringify({
      working_directory: process.cwd(),
      exceptions: [{ type: clean(thrown.name), message: clean(thrown.message), stack }],
      paths: [...new Set(stack.map((frame) => frame.path))],
    });
  } catch {
    return '';
  }
}

/** `text` as the value of an HTTP header: printable ASCII only. */
function headerValue(text) {
  return String(text).replace(/[^\x20-\x7e]/g, '?');
}

/** JSON text as the value of an HTTP header: everything beyond ASCII escaped. */
function headerJson(json) {
  return json.replace(/[\x7f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

module.exports = { runtimeError, asError, payload, forLog, xrayCause, headerValue, headerJson };
