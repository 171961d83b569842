/** Draws messages between three parties as they happen, one line each, in the manner of RFC 3261 §4. */

export type LadderArrow = 'phoneToGateway' | 'gatewayToPhone' | 'gatewayToBot' | 'botToGateway';

export interface LadderOptions {
  readonly write: (line: string) => void;
  /** Whether escape sequences may be used. */
  readonly colour: boolean;
}

const laneWidth = 26;
const timeWidth = 11;

export class Ladder {
  readonly #options: LadderOptions;

  constructor(options: LadderOptions) {
    this.#options = options;
  }

  heading(): void {
    const space = ' '.repeat(timeWidth);
    this.#options.write(`${space}phone${' '.repeat(laneWidth - 6)}gateway${' '.repeat(laneWidth - 4)}bot`);
  }

  message(atMs: number, arrow: LadderArrow, text: string): void {
    const drawn = drawArrow(text, arrow === 'phoneToGateway' || arrow === 'gatewayToBot');
    const coloured = this.#paint(36, drawn);
    const empty = ' '.repeat(laneWidth);
    const lanes =
      arrow === 'phoneToGateway' || arrow === 'gatewayToPhone' ? [coloured, empty] : [empty, coloured];
    this.#line(atMs, `│${lanes[0]}│${lanes[1]}│`);
  }

  /** Something that concerns the phone alone, or all of them. */
  note(atMs: number, text: string): void {
    const lanes =
      text.length <= laneWidth - 2 ? ` ${text.padEnd(laneWidth - 1)}│${' '.repeat(laneWidth)}│` : ` ${text}`;
    this.#line(atMs, `│${lanes}`);
  }

  #line(atMs: number, lanes: string): void {
    const time = `${atMs.toFixed(1)} ms`.padStart(timeWidth - 2);
    this.#options.write(`${this.#paint(2, time)}   ${lanes}`);
  }

  #paint(code: number, text: string): string {
    return this.#options.colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}

function drawArrow(text: string, rightwards: boolean): string {
  const label = ` ${text.slice(0, laneWidth - 8)} `;
  const dashes = laneWidth - 1 - label.length;
  const before = '─'.repeat(Math.floor(dashes / 2));
  const after = '─'.repeat(Math.ceil(dashes / 2));
  return rightwards ? `${before}${label}${after}▶` : `◀${before}${label}${after}`;
}

const bars = ' ▁▂▃▄▅▆▇█';
const floorDb = -50;

/** The loudness of `pcm` over time, as a row of `width` bars from -50 to 0 dBFS. */
export function drawLoudness(pcm: Int16Array, width: number): string {
  let row = '';
  for (let column = 0; column < width; column++) {
    const from = Math.floor((column * pcm.length) / width);
    const end = Math.floor(((column + 1) * pcm.length) / width);
    let peak = 1;
    for (let i = from; i < end; i++) peak = Math.max(peak, Math.abs(pcm[i]!));
    const db = 20 * Math.log10(peak / 32_767);
    const height = Math.round(((db - floorDb) / -floorDb) * (bars.length - 1));
    row += bars[Math.max(0, Math.min(bars.length - 1, height))];
  }
  return row;
}
