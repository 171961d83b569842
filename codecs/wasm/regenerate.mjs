// Writes codecs/resampler-kernel-bytes.ts from resampler-kernel.wat. Needs `wabt`, see README.md.
import { readFileSync, writeFileSync } from 'node:fs';

const { default: loadWabt } = await import('wabt');
const wabt = await loadWabt();
const source = readFileSync(new URL('resampler-kernel.wat', import.meta.url), 'utf8');
const module = wabt.parseWat('resampler-kernel.wat', source, { simd: true });
module.validate();
const base64 = Buffer.from(module.toBinary({}).buffer).toString('base64');
const lines = base64.match(/.{1,96}/g).map((line) => `  '${line}'`);
writeFileSync(
  new URL('../resampler-kernel-bytes.ts', import.meta.url),
  `/** codecs/wasm/resampler-kernel.wat as a module, base64. Made by codecs/wasm/regenerate.mjs; do not edit. */\n` +
    `export const resamplerKernelBase64 =\n${lines.join(' +\n')};\n`,
);
