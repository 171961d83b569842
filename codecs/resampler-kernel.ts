/** The inner loops of the resampler, as a WASM SIMD module and in plain JavaScript. A kernel has no state between
 *  calls: a resampler writes its window into `input`, runs, and reads `output`, so one kernel serves a whole thread
 *  and nothing in it has to be given back when a call ends. */

import { resamplerKernelBase64 } from './resampler-kernel-bytes.ts';

export interface ResamplerKernel {
  readonly name: 'wasm' | 'javascript';
  /** Room for 4096 samples. */
  readonly input: Int16Array;
  /** Room for 2048 samples. */
  readonly output: Int16Array;
  /** Stores coefficients for good; returns what names them in later calls. Throws when the memory is full, which
   *  the tables of all ratios together do not reach. */
  addTable(coefficients: Float32Array): number;
  /** Writes `count` samples: dot products of `taps` inputs, the first from `input[window]`, with row `phase` of the
   *  table; after each output the phase moves on by `down`, and the window by a sample for each `up` phases. */
  polyphase(
    filter: PolyphaseTable,
    down: number,
    inputSamples: number,
    window: number,
    phase: number,
    count: number,
  ): void;
  /** `input` is `2 * pairs - 1` old samples and `count` new ones. Writes twice `count` samples: in turn an old one
   *  as it is, and one between it and the next. */
  halfbandUp(table: number, pairs: number, count: number): void;
  /** `input` is `2 * pairs - 1` old pairs of samples and `count` new ones. Writes `count` samples. */
  halfbandDown(table: number, pairs: number, count: number): void;
}

export interface PolyphaseTable {
  readonly table: number;
  readonly phases: number;
  readonly taps: number;
}

interface KernelExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  polyphase(
    inputSamples: number,
    window: number,
    table: number,
    rowBytes: number,
    tableBytes: number,
    stepBytes: number,
    stepRowBytes: number,
    row: number,
    count: number,
  ): void;
  halfbandUp(table: number, pairs: number, count: number): void;
  halfbandDown(table: number, pairs: number, count: number): void;
}

/** The part of the WebAssembly API used here; Node's types leave it to the browser's. */
interface WasmApi {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

const INPUT_SAMPLES_MAX = 4096;
const OUTPUT_SAMPLES_MAX = 2048;

/** The memory map of resampler-kernel.wat. */
const OUTPUT_ADDRESS = 32_768;
const TABLES_ADDRESS = 40_960;

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
    input: new Int16Array(buffer, 0, INPUT_SAMPLES_MAX),
    output: new Int16Array(buffer, OUTPUT_ADDRESS, OUTPUT_SAMPLES_MAX),
    addTable(coefficients) {
      const address = freeAddress;
      new Float32Array(buffer, address, coefficients.length).set(coefficients);
      freeAddress += Math.ceil(coefficients.byteLength / 16) * 16;
      return address;
    },
    polyphase({ table, phases, taps }, down, inputSamples, window, phase, count) {
      const rowBytes = taps * 4;
      exports.polyphase(
        inputSamples,
        window * 4,
        table,
        rowBytes,
        phases * rowBytes,
        Math.floor(down / phases) * 4,
        (down % phases) * rowBytes,
        phase * rowBytes,
        count,
      );
    },
    halfbandUp: exports.halfbandUp,
    halfbandDown: exports.halfbandDown,
  };
}

/** Differs from the WASM kernel by at most one step, where the order of the additions decides a rounding. */
export function createJavascriptKernel(): ResamplerKernel {
  const input = new Int16Array(INPUT_SAMPLES_MAX);
  const output = new Int16Array(OUTPUT_SAMPLES_MAX);
  const tables: Float32Array[] = [];
  return {
    name: 'javascript',
    input,
    output,
    addTable: (coefficients) => tables.push(coefficients) - 1,
    polyphase({ table, phases, taps }, down, _inputSamples, window, phase, count) {
      const coefficients = tables[table]!;
      const stepSamples = Math.floor(down / phases);
      const stepPhases = down % phases;
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
        if (row >= phases) {
          row -= phases;
          first++;
        }
      }
    },
    halfbandUp(table, pairs, count) {
      const coefficients = tables[table]!;
      for (let i = 0; i < count; i++) {
        let sum = 0;
        for (let k = 0; k < pairs; k++)
          sum += coefficients[k]! * (input[pairs + i - 1 - k]! + input[pairs + i + k]!);
        output[2 * i] = input[pairs - 1 + i]!;
        output[2 * i + 1] = saturate(sum);
      }
    },
    halfbandDown(table, pairs, count) {
      const coefficients = tables[table]!;
      for (let i = 0; i < count; i++) {
        const middle = 2 * (pairs + i);
        let sum = 0.5 * input[middle]!;
        for (let k = 0; k < pairs; k++)
          sum += coefficients[k]! * (input[middle - 1 - 2 * k]! + input[middle + 1 + 2 * k]!);
        output[i] = saturate(sum);
      }
    },
  };
}

function saturate(sample: number): number {
  return sample >= 32767 ? 32767 : sample <= -32768 ? -32768 : Math.round(sample);
}
