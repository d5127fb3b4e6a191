// What a tour of a server is made of, for the JavaScript tours: steps that all run, and small checks.

import { isDeepStrictEqual } from "node:util";

const steps = [];

/** Registers a step; its name is the sentence. */
export function step(sentence, run) {
  steps.push([sentence, run]);
}

export function check(condition, told = "it does not hold") {
  if (!condition) throw new Error(told);
}

export function same(found, expected) {
  check(isDeepStrictEqual(found, expected), `found ${show(found)}, expected ${show(expected)}`);
}

/** The call must fail with this S3 error code (null: any; HEAD has no body to carry one) and this HTTP status. */
export async function refused(code, status, call) {
  let answer;
  try {
    answer = await call();
  } catch (error) {
    if (error.$metadata?.httpStatusCode === undefined) throw error;
    same(error.$metadata.httpStatusCode, status);
    if (code !== null) same(error.name, code);
    return error;
  }
  throw new Error(`accepted, expected ${status} ${code}: ${show(answer?.$metadata)}`);
}

/** Bytes that differ from place to place, so that a piece in the wrong place is seen. */
export function pattern(size, seed = 0) {
  const bytes = Buffer.alloc(size);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let at = 0; at < size; at++) {
    // xorshift32.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state & 0xff;
  }
  return bytes;
}

/** Runs every step, prints a line each, and sets the exit status. */
export async function run() {
  let failed = 0;
  for (const [sentence, step] of steps) {
    try {
      await step();
      console.log(`ok   ${sentence}`);
    } catch (error) {
      failed += 1;
      // An error of the SDK has no frame of the step.
      const line = String(error.stack).match(/_tour\.mjs:(\d+)/)?.[1] ?? "?";
      console.log(`FAIL ${sentence} (line ${line}): ${error.name}: ${error.message}`);
    }
  }
  console.log(`${steps.length - failed} steps hold, ${failed} do not`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function show(value) {
  const text = Buffer.isBuffer(value) ? `${value.length} bytes` : JSON.stringify(value);
  return text && text.length > 400 ? `${text.slice(0, 400)}…` : text;
}
