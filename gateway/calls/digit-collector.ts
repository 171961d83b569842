import type { Clock, Timer } from '../clock.ts';

export interface DigitCollectorOptions {
  readonly maxDigits: number;
  readonly timeoutMs: number;
  /** At least one digit, without the closing `#`. */
  collected(digits: string): void;
}

/** Keys that belong together: complete after so many of them, after `#`, or when no further one comes in time. */
export class DigitCollector {
  readonly #clock: Clock;
  readonly #options: DigitCollectorOptions;
  #digits = '';
  #timer: Timer | undefined;

  constructor(clock: Clock, options: DigitCollectorOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  press(digit: string): void {
    this.#timer?.cancel();
    const { maxDigits, timeoutMs } = this.#options;
    const closes = digit === '#' && this.#digits !== '';
    if (!closes) this.#digits += digit;
    if (closes || this.#digits.length >= maxDigits) return this.#complete();
    this.#timer = this.#clock.after(timeoutMs, () => this.#complete());
  }

  /** Forgets what was pressed. */
  cancel(): void {
    this.#timer?.cancel();
    this.#digits = '';
  }

  #complete(): void {
    const digits = this.#digits;
    this.#digits = '';
    this.#options.collected(digits);
  }
}
