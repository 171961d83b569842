import { expect, it } from 'vitest';
import { throwAtDecoder } from '../../bench/random-packets.ts';
import { codecNamed, codecs } from '../../codecs/catalogue.ts';
import type { Codec } from '../../codecs/codec.ts';
import { createRandom } from '../support/random.ts';
import { rounds } from '../support/rounds.ts';

const packets = rounds(4_000, 1_000_000);

const all: Codec[] = [...codecs, codecNamed('l16')!, codecNamed('l16-8000')!];

it.each(all.map((codec) => [codec.name, codec] as const))(
  `%s: ${packets} random packets, cut ones, losses and resets between them, never a throw`,
  (_name, codec) => {
    expect(throwAtDecoder(codec, packets, createRandom(17))).toBe(0);
  },
);
