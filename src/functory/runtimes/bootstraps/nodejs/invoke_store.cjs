'use strict';

// What `@aws/lambda-invoke-store` finds as `awslambda.InvokeStore` from Node.js 24: the invocation in progress, readable
// from anywhere in the function. One invocation at a time, so a plain field will do.

const KEYS = {
  REQUEST_ID: Symbol.for('_AWS_LAMBDA_REQUEST_ID'),
  X_RAY_TRACE_ID: Symbol.for('_AWS_LAMBDA_X_RAY_TRACE_ID'),
  TENANT_ID: Symbol.for('_AWS_LAMBDA_TENANT_ID'),
};

class InvokeStore {
  static PROTECTED_KEYS = KEYS;

  #context;

  /** Run `action` as the invocation with these ids. */
  begin(requestId, traceId, tenantId, action) {
    return this.run({ [KEYS.REQUEST_ID]: requestId, [KEYS.X_RAY_TRACE_ID]: traceId, [KEYS.TENANT_ID]: tenantId }, action);
  }

  run(context, action) {
    this.#context = context;
    return action();
  }

  getContext() {
    return this.#context;
  }

  hasContext() {
    return this.#context !== undefined;
  }

  get(key) {
    return this.#context?.[key];
  }

  set(key, value) {
    if (this.isProtectedKey(key)) throw new Error(`Cannot modify protected Lambda context field: ${String(key)}`);
    this.#context ??= {};
    this.#context[key] = value;
  }

  isProtectedKey(key) {
    return Object.values(KEYS).includes(key);
  }

  getRequestId() {
    return this.get(KEYS.REQUEST_ID) ?? '-';
  }

  getXRayTraceId() {
    return this.get(KEYS.X_RAY_TRACE_ID);
  }

  getTenantId() {
    return this.get(KEYS.TENANT_ID);
  }
}

module.exports = { InvokeStore };
