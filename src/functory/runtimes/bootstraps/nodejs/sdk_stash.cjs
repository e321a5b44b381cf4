'use strict';

// Parts of the AWS SDK that a standby loads ahead. They are taken out of `require.cache` and given back, with all they
// depend on, when the function resolves one of their files. What the function or its layers bring has other files, so it is
// found and loaded as ever. Modules that have read a variable the function has set otherwise are not given back at all.

const { createRequire, Module } = require('node:module');

const AHEAD = ['@aws-sdk/lib-dynamodb', '@aws-sdk/client-s3'];

class SdkStash {
  constructor() {
    this.modules = new Map(); // by file
    this.read = new Map(); // variables that were read while loading, with what they were
  }

  /** Load what is there of `AHEAD`. */
  fill() {
    const load = createRequire(`${__dirname}/`);
    const before = new Set(Object.keys(require.cache));
    const globals = new Set(Object.getOwnPropertyNames(globalThis));
    const environment = process.env;
    process.env = this.watched(environment);
    try {
      for (const name of AHEAD) load(name);
    } catch (error) {
      if (error?.code !== 'MODULE_NOT_FOUND') throw error;
    } finally {
      process.env = environment;
    }
    for (const [file, loaded] of Object.entries(require.cache)) {
      if (before.has(file)) continue;
      this.modules.set(file, loaded);
      delete require.cache[file];
    }
    for (const name of Object.getOwnPropertyNames(globalThis)) if (!globals.has(name)) delete globalThis[name];
  }

  watched(environment) {
    const note = (name) => this.read.set(name, environment[name]);
    const noteAll = () => Object.keys(environment).forEach(note);
    return new Proxy(environment, {
      get: (target, name) => (note(name), target[name]),
      has: (target, name) => (note(name), name in target),
      ownKeys: (target) => (noteAll(), Reflect.ownKeys(target)),
    });
  }

  /** From now on, give back what the function asks for. */
  offer() {
    const isSame = [...this.read].every(([name, value]) => process.env[name] === value);
    if (!isSame || this.modules.size === 0) return;
    const stash = this;
    const original = Module._resolveFilename;
    const resolve = function _resolveFilename(request, parent, isMain, options) {
      const file = original.call(this, request, parent, isMain, options);
      stash.giveBack(file);
      if (stash.modules.size === 0 && Module._resolveFilename === resolve) Module._resolveFilename = original;
      return file;
    };
    Module._resolveFilename = resolve;
  }

  /** Put a module and what it depends on into `require.cache`, if it is one of ours. */
  giveBack(file) {
    const loaded = this.modules.get(file);
    if (loaded === undefined) return;
    this.modules.delete(file);
    require.cache[file] ??= loaded;
    for (const child of loaded.children) this.giveBack(child.filename);
  }
}

module.exports = { SdkStash };
