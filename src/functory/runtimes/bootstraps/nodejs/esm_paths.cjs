'use strict';

// ES modules find packages where NODE_PATH says (layers, the SDK of the runtime), as they do on Lambda; by itself Node.js
// looks there for CommonJS only. Where Node.js has hooks in the same thread they are always there; older ones run hooks in a
// thread of their own, which is started only for a function that is an ES module.

const module_ = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const isBare = (specifier) => !/^(\.{0,2}\/|#|[a-z][a-z0-9+.-]*:)/i.test(specifier);
const isMissing = (error) => error?.code === 'ERR_MODULE_NOT_FOUND';
let isActive = false;

/** The address of a file that would be beside each `node_modules` of NODE_PATH. */
function neighbours() {
  const folders = (process.env.NODE_PATH ?? '').split(path.delimiter);
  const found = folders.filter((folder) => path.isAbsolute(folder) && path.basename(folder) === 'node_modules');
  return found.map((folder) => pathToFileURL(path.join(path.dirname(folder), 'neighbour.mjs')).href);
}

function resolveFrom(parents) {
  return (specifier, context, nextResolve) => {
    try {
      return nextResolve(specifier, context);
    } catch (error) {
      if (!isMissing(error) || !isBare(specifier)) throw error;
      for (const parentURL of parents) {
        try {
          return nextResolve(specifier, { ...context, parentURL });
        } catch (again) {
          if (!isMissing(again)) throw again;
        }
      }
      throw error;
    }
  };
}

/** Look into NODE_PATH from now on. `isEsm`: whether the function is an ES module. */
function searchNodePath(isEsm) {
  if (isActive) return;
  if (module_.registerHooks) module_.registerHooks({ resolve: resolveFrom(neighbours()) });
  else if (isEsm && module_.register) module_.register(pathToFileURL(path.join(__dirname, 'esm_paths_thread.mjs')), { data: neighbours() });
  else return;
  isActive = true;
}

module.exports = { searchNodePath, isBare, isMissing };
