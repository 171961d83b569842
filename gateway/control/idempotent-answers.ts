import { createHash } from 'node:crypto';
import { RecentMap } from '../signaling/source-limits.ts';
import { type HttpAnswer, HttpError } from './http-exchange.ts';

interface Kept {
  readonly bodyHash: string;
  readonly answer: Promise<HttpAnswer>;
  readonly atMs: number;
}

const keptMax = 10_000;
export const idempotencyKeptMs = 3_600_000;

/** Answers by `Idempotency-Key`: a client that heard nothing may send the same request again without doing the thing
 *  twice. Kept for an hour, the newest 10,000; failures are not kept. */
export class IdempotentAnswers {
  readonly #kept = new RecentMap<Kept>(keptMax);

  /** @throws HttpError 400 for a bad key, 422 where it came with another body before. */
  async answer(
    key: string,
    applicationKey: string,
    body: unknown,
    nowMs: number,
    make: () => Promise<HttpAnswer>,
  ): Promise<HttpAnswer> {
    if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
      throw new HttpError(400, 'Idempotency-Key must be 1 to 255 visible ASCII characters');
    }
    const place = `${applicationKey} ${key}`;
    const bodyHash = createHash('sha256')
      .update(JSON.stringify(body) ?? '')
      .digest('base64');
    const before = this.#kept.get(place);
    if (before !== undefined && nowMs - before.atMs < idempotencyKeptMs) {
      if (before.bodyHash !== bodyHash) {
        throw new HttpError(422, 'Idempotency-Key came with another body before; take a new one');
      }
      const answer = await before.answer;
      return { ...answer, headers: { ...answer.headers, 'Idempotent-Replayed': 'true' } };
    }
    const answer = make();
    this.#kept.set(place, { bodyHash, answer, atMs: nowMs });
    try {
      return await answer;
    } catch (error) {
      this.#kept.delete(place);
      throw error;
    }
  }
}
