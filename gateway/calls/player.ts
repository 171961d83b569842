import { AudioError, type AudioSource, parsePrompt } from '../audio/audio-source.ts';
import type { EndpointId, MediaEvent } from '../media/media-messages.ts';
import type { Call } from './call.ts';
import type { Leg } from './leg.ts';

/** A player on a call's worker, fed from the audio library as fast as it plays. */
export class Player {
  readonly endpointId: EndpointId;
  readonly #call: Call;
  readonly #sampleRateHz: number;
  readonly #signal: AbortSignal;
  #open = false;
  /** Pieces of audio that the worker has not asked for the next of, and who waits for that. */
  #unanswered = 0;
  #wake: (() => void) | undefined;
  #done = false;

  constructor(call: Call, sampleRateHz: number, signal: AbortSignal) {
    this.endpointId = call.media.name('player');
    this.#call = call;
    this.#sampleRateHz = sampleRateHz;
    this.#signal = signal;
  }

  open(): void {
    const { media } = this.#call;
    const { endpointId } = this;
    this.#open = true;
    media.opened(endpointId, (event) => this.#receive(event));
    media.send({ type: 'openPlayer', endpointId, sampleRateHz: this.#sampleRateHz });
    this.#signal.addEventListener('abort', () => this.close(), { once: true });
  }

  /** Plays a source, behind what is there; resolves when all of it is on its way, with its samples. Rejects with
   *  `AudioError`. */
  async play(source: AudioSource): Promise<number> {
    const { context, owner, media } = this.#call;
    const options = { sampleRateHz: this.#sampleRateHz, trusted: owner.trusted, signal: this.#signal };
    let played = 0;
    for await (const samples of context.audio.open(source, options)) {
      if (!this.#open) break;
      played += samples.length;
      this.#unanswered++;
      media.send({ type: 'playAudio', endpointId: this.endpointId, samples, last: false });
      await this.#until(() => this.#unanswered === 0);
    }
    return played;
  }

  /** Resolves when everything has been heard, or it was closed. */
  async finish(): Promise<void> {
    if (!this.#open) return;
    const { endpointId } = this;
    this.#call.media.send({ type: 'playAudio', endpointId, samples: new Int16Array(0), last: true });
    await this.#until(() => this.#done);
  }

  /** At once, with what has not been heard yet. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#call.media.send({ type: 'closePlayer', endpointId: this.endpointId });
    this.#wake?.();
  }

  async #until(met: () => boolean): Promise<void> {
    while (this.#open && !met()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #receive(event: MediaEvent): void {
    switch (event.type) {
      case 'playerLow':
        this.#unanswered = Math.max(0, this.#unanswered - 1);
        break;
      case 'playerDone':
        this.#done = true;
        break;
      case 'playerClosed':
        this.#open = false;
        this.#call.media.closed(this.endpointId);
        break;
      case 'notice':
        this.#call.log.warn({ code: event.code }, event.message);
        return;
      default:
        return;
    }
    this.#wake?.();
  }
}

export interface PlayOptions {
  readonly signal: AbortSignal;
  /** Again and again, until the signal. */
  readonly loops?: boolean;
  /** Who hears it. */
  readonly to: Leg;
}

/** Plays prompts to one leg in place of what it hears otherwise. What cannot be played is skipped, with a warning in the
 *  call's log. `failed`: none of them could be. */
export async function playPrompts(
  call: Call,
  sources: readonly AudioSource[],
  { signal, loops = false, to }: PlayOptions,
): Promise<'played' | 'failed' | 'stopped'> {
  if (call.media.worker === undefined) return 'failed';
  if (signal.aborted || sources.length === 0) return sources.length === 0 ? 'played' : 'stopped';
  const player = new Player(call, to.sampleRateHz, signal);
  const join = { source: player.endpointId, sink: to.endpointId };
  player.open();
  call.media.send({ type: 'route', ...join });
  try {
    let heard = false;
    do {
      let samples = 0;
      for (const source of sources) {
        samples += await playOne(call, player, source);
        if (signal.aborted) return 'stopped';
      }
      // A loop of nothing would never let anybody else run.
      if (samples === 0) break;
      heard = true;
    } while (loops);
    if (heard) await player.finish();
    if (signal.aborted) return 'stopped';
    return heard ? 'played' : 'failed';
  } finally {
    call.media.send({ type: 'unroute', ...join });
    player.close();
  }
}

async function playOne(call: Call, player: Player, source: AudioSource): Promise<number> {
  try {
    return await player.play(source);
  } catch (error) {
    if (!(error instanceof AudioError)) throw error;
    call.log.warn({ code: error.code, detail: error.message }, 'prompt could not be played');
    return 0;
  }
}

/** Prompts of the API, several separated by `;` outside brackets. What is none is skipped, with a warning. */
export function promptSources(call: Call, text: string, locale?: string): AudioSource[] {
  const found: AudioSource[] = [];
  for (const prompt of splitPrompts(text)) {
    try {
      const source = parsePrompt(prompt);
      found.push(source.kind === 'speech' ? { ...source, locale } : source);
    } catch (error) {
      if (!(error instanceof AudioError)) throw error;
      call.log.warn({ code: error.code, detail: error.message }, 'prompt could not be played');
    }
  }
  return found;
}

export function splitPrompts(text: string): string[] {
  const prompts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at <= text.length; at++) {
    const character = text[at];
    if (character === '[') depth++;
    else if (character === ']') depth = Math.max(0, depth - 1);
    else if (character === undefined || (character === ';' && depth === 0)) {
      const prompt = text.slice(from, at).trim();
      if (prompt !== '') prompts.push(prompt);
      from = at + 1;
    }
  }
  return prompts;
}
