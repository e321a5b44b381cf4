'use strict';

// From the handler string to the handler: which file, CommonJS or ES module, which export, and what kind of function.

const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');
const { pathToFileURL } = require('node:url');
const { runtimeError } = require('./errors.cjs');
const { searchNodePath } = require('./esm_paths.cjs');
const { HttpResponseStream } = require('./stream.cjs');

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const CALLBACKS_REMOVED =
  'ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. ' +
  'You need to modify this function to use a supported handler signature to use Node.js 24 or later. ' +
  'For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.';

/** Give the function the `awslambda` global, unless AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA says no. */
function installGlobals(invokeStore) {
  if (['1', 'true'].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) return;
  const streamifyResponse = (handler, options) => {
    handler[STREAMING] = 'response';
    if (typeof options?.highWaterMark === 'number') handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
    return handler;
  };
  globalThis.awslambda = { ...globalThis.awslambda, streamifyResponse, HttpResponseStream };
  if (invokeStore && !globalThis.awslambda.InvokeStore) globalThis.awslambda.InvokeStore = invokeStore;
}

/** `dir/file.outer.inner` -> folder, module and path of exports. */
function parseHandler(text) {
  if (text.includes('..')) {
    throw runtimeError(
      'MalformedHandlerName',
      `'${text}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const name = path.basename(text);
  const dot = name.indexOf('.');
  if (dot < 0) throw runtimeError('MalformedHandlerName', 'Bad handler');
  return { folder: text.slice(0, text.indexOf(name)), module: name.slice(0, dot), exports: name.slice(dot + 1).split('.') };
}

/** Whether the nearest package.json above `file` makes `.js` files ES modules. */
function isModulePackage(file) {
  for (let folder = path.dirname(file); !folder.endsWith(`${path.sep}node_modules`); folder = path.dirname(folder)) {
    const manifest = path.join(folder, 'package.json');
    if (fs.existsSync(manifest)) {
      try {
        return JSON.parse(fs.readFileSync(manifest, 'utf8'))?.type === 'module';
      } catch (error) {
        console.warn(`${manifest} cannot be read, it will be ignored for ES module detection purposes.`, error);
        return false;
      }
    }
    if (folder === path.dirname(folder)) return false;
  }
  return false;
}

async function importModule(base, root, name, folder, isModern) {
  const isEsm = (file, extension) =>
    isModern || extension === '.mjs' || (extension === '.js' && isModulePackage(file));
  const userRequire = createRequire(`${root}/`);
  for (const extension of ['', '.js', '.mjs', '.cjs']) {
    const file = base + extension;
    if (!fs.existsSync(file)) continue;
    const isModule = isEsm(file, extension);
    searchNodePath(isModule);
    const loaded = isModule ? await import(pathToFileURL(file).href) : userRequire(file);
    if (loaded) return loaded;
  }
  return userRequire(userRequire.resolve(name, { paths: [root, path.join(root, folder)] }));
}

/** An ImportModuleError or UserCodeSyntaxError for what the platform names so, else the error itself. */
function translate(error) {
  if (error instanceof SyntaxError) {
    const translated = runtimeError('UserCodeSyntaxError', String(error));
    translated.stack = error.stack;
    return translated;
  }
  return error?.code === 'MODULE_NOT_FOUND' ? runtimeError('ImportModuleError', String(error)) : error;
}

function find(exported, names) {
  return names.reduce((value, name) => (value === undefined || value === null ? undefined : value[name]), exported);
}

/** Load the function: `{handler, isStreaming, highWaterMark, isAsync}`. */
async function loadHandler(root, text, isModern) {
  const parsed = parseHandler(text);
  const base = path.resolve(root, parsed.folder, parsed.module);
  let loaded;
  try {
    loaded = await importModule(base, root, parsed.module, parsed.folder, isModern);
  } catch (error) {
    throw translate(error);
  }
  let handler = find(loaded, parsed.exports);
  if (!handler && isModern && loaded.default) handler = find(loaded.default, parsed.exports);
  if (!handler) throw runtimeError('HandlerNotFound', `${text} is undefined or not exported`);
  if (typeof handler !== 'function') throw runtimeError('HandlerNotFound', `${text} is not a function`);
  const streaming = handler[STREAMING];
  if (streaming && streaming !== 'response') {
    throw runtimeError('MalformedStreamingHandler', 'Only response streaming is supported.');
  }
  if (isModern && !streaming && handler.length >= 3) throw runtimeError('CallbackHandlerDeprecated', CALLBACKS_REMOVED);
  return {
    handler,
    isStreaming: Boolean(streaming),
    highWaterMark: Number.parseInt(handler[HIGH_WATER_MARK], 10) || undefined,
    isAsync: handler.constructor?.name === 'AsyncFunction',
  };
}

module.exports = { installGlobals, loadHandler };
