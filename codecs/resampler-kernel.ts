/** The inner loops of the resampler, as a WASM SIMD module and in plain JavaScript. A kernel has no state between
 *  calls: a resampler writes its window into `input`, runs, and reads `output`, so one kernel serves a whole thread
 *  and nothing in it has to be given back when a call ends. */

import { resamplerKernelBase64 } from './resampler-kernel-bytes.ts';

export const INPUT_SAMPLES_MAX = 4096;
export const OUTPUT_SAMPLES_MAX = 2048;

export interface ResamplerKernel {
  readonly name: 'wasm' | 'javascript';
  readonly input: Float32Array;
  readonly output: Int16Array;
  /** Stores coefficients for good; returns what names them in later calls. Throws when the memory is full, which
   *  the tables of all ratios together do not reach. */
  addTable(coefficients: Float32Array): number;
  /** Writes `count` samples: dot products of `taps` inputs, the first from `input[window]`, with row `phase` of the
   *  table; after each output the phase moves on by `down`, and the window by a sample for each `up` phases. */
  polyphase(
    table: number,
    taps: number,
    up: number,
    down: number,
    window: number,
    phase: number,
    count: number,
  ): void;
  /** Writes `count` samples: `gain * input[center + i]` plus, for each coefficient `k` of `pairs`, its product with
   *  `input[middle + i - 1 - k] + input[middle + i + k]`. May write up to seven samples more. */
  halfband(table: number, pairs: number, gain: number, center: number, middle: number, count: number): void;
}

interface KernelExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  polyphase(
    window: number,
    table: number,
    rowBytes: number,
    tableBytes: number,
    stepBytes: number,
    stepRowBytes: number,
    row: number,
    count: number,
    out: number,
  ): void;
  halfband(
    center: number,
    gain: number,
    middle: number,
    table: number,
    tableBytes: number,
    count: number,
    out: number,
  ): void;
}

/** The part of the WebAssembly API used here; Node's types leave it to the browser's. */
interface WasmApi {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

const OUTPUT_ADDRESS = INPUT_SAMPLES_MAX * 4;
const TABLES_ADDRESS = OUTPUT_ADDRESS + OUTPUT_SAMPLES_MAX * 2;

/** Undefined where the engine has no WebAssembly or no SIMD in it. */
export function createWasmKernel(): ResamplerKernel | undefined {
  const wasm = (globalThis as { WebAssembly?: WasmApi }).WebAssembly;
  const bytes = Buffer.from(resamplerKernelBase64, 'base64');
  if (wasm?.validate(bytes) !== true) return undefined;
  const exports = new wasm.Instance(new wasm.Module(bytes)).exports as KernelExports;
  const buffer = exports.memory.buffer;
  let freeAddress = TABLES_ADDRESS;
  return {
    name: 'wasm',
    input: new Float32Array(buffer, 0, INPUT_SAMPLES_MAX),
    output: new Int16Array(buffer, OUTPUT_ADDRESS, OUTPUT_SAMPLES_MAX),
    addTable(coefficients) {
      const address = freeAddress;
      new Float32Array(buffer, address, coefficients.length).set(coefficients);
      freeAddress += Math.ceil(coefficients.byteLength / 16) * 16;
      return address;
    },
    polyphase(table, taps, up, down, window, phase, count) {
      const rowBytes = taps * 4;
      exports.polyphase(
        window * 4,
        table,
        rowBytes,
        up * rowBytes,
        Math.floor(down / up) * 4,
        (down % up) * rowBytes,
        phase * rowBytes,
        count,
        OUTPUT_ADDRESS,
      );
    },
    halfband(table, pairs, gain, center, middle, count) {
      exports.halfband(center * 4, gain, middle * 4, table, pairs * 4, count, OUTPUT_ADDRESS);
    },
  };
}

/** Differs from the WASM kernel by at most one step, where the order of the additions decides a rounding. */
export function createJavascriptKernel(): ResamplerKernel {
  const input = new Float32Array(INPUT_SAMPLES_MAX);
  const output = new Int16Array(OUTPUT_SAMPLES_MAX);
  const tables: Float32Array[] = [];
  return {
    name: 'javascript',
    input,
    output,
    addTable: (coefficients) => tables.push(coefficients) - 1,
    polyphase(table, taps, up, down, window, phase, count) {
      const coefficients = tables[table]!;
      const stepSamples = Math.floor(down / up);
      const stepPhases = down % up;
      let first = window;
      let row = phase;
      for (let i = 0; i < count; i++) {
        const rowOffset = row * taps;
        let even = 0;
        let odd = 0;
        for (let tap = 0; tap < taps; tap += 2) {
          even += input[first + tap]! * coefficients[rowOffset + tap]!;
          odd += input[first + tap + 1]! * coefficients[rowOffset + tap + 1]!;
        }
        output[i] = saturate(even + odd);
        first += stepSamples;
        row += stepPhases;
        if (row >= up) {
          row -= up;
          first++;
        }
      }
    },
    halfband(table, pairs, gain, center, middle, count) {
      const coefficients = tables[table]!;
      for (let i = 0; i < count; i++) {
        let sum = gain * input[center + i]!;
        for (let k = 0; k < pairs; k++)
          sum += coefficients[k]! * (input[middle + i - 1 - k]! + input[middle + i + k]!);
        output[i] = saturate(sum);
      }
    },
  };
}

function saturate(sample: number): number {
  return sample >= 32767 ? 32767 : sample <= -32768 ? -32768 : Math.round(sample);
}
