// The hooks of esm_paths.cjs for a Node.js that runs hooks in a thread of their own.

import paths from './esm_paths.cjs';

let parents = [];

export function initialize(neighbours) {
  parents = neighbours;
}

export async function resolve(specifier, context, nextResolve) {
  try {
    return await nextResolve(specifier, context);
  } catch (error) {
    if (!paths.isMissing(error) || !paths.isBare(specifier)) throw error;
    for (const parentURL of parents) {
      try {
        return await nextResolve(specifier, { ...context, parentURL });
      } catch (again) {
        if (!paths.isMissing(again)) throw again;
      }
    }
    throw error;
  }
}
