import type { Menu, RunMenu } from '../../../protocol/svaml/actions.ts';
import { menuAction } from '../../../protocol/svaml/formats.ts';
import type { MenuResult } from '../../callbacks/callback-messages.ts';
import type { Timer } from '../../clock.ts';
import type { Activity } from '../activity.ts';
import type { Call } from '../call.ts';
import { pieMessage } from '../call-messages.ts';
import type { EndReason } from '../end-reason.ts';
import { askPie } from '../pie-question.ts';
import { playPrompts, promptSources } from '../player.ts';
import type { LegDigit } from '../sip-leg-options.ts';

/** `runMenu`: a prompt is played and keys are taken, until one of them means something or too many times none did. The
 *  application hears what came of it in a PIE, and its answer goes on. */
export class MenuRun implements Activity {
  readonly #call: Call;
  readonly #action: RunMenu;
  readonly #stopped = new AbortController();
  #menu: Menu;
  #digits = '';
  #repeats = 0;
  /** The prompt that is being played. */
  #prompt: AbortController | undefined;
  #keyTimer: Timer | undefined;
  #wholeTimer: Timer | undefined;
  #done = false;

  constructor(call: Call, action: RunMenu) {
    this.#call = call;
    this.#action = action;
    this.#menu = this.#named(action.mainMenu);
  }

  start(): void {
    this.#call.answer();
    this.#enter(this.#menu);
  }

  stop(reason: EndReason): void {
    const asks = !this.#done && reason === 'callerHangup';
    this.#finish();
    // Nobody is left for what it would answer, but it wants to know.
    const call = this.#call;
    if (!asks || !call.owner.asksPie || call.owner.pie?.kind === 'svaml') return;
    const message = pieMessage(call, { menuId: this.#menu.id, type: 'hangup' });
    void call.context.callbacks.ask(call.owner.applicationKey, message, call.owner.pie?.url);
  }

  digit({ digit }: LegDigit): void {
    if (this.#done) return;
    if (this.#prompt !== undefined) {
      if (!this.#action.barge) return;
      this.#prompt.abort();
      this.#prompt = undefined;
    }
    const { options, maxDigits } = this.#menu;
    const sole = options.length > 0 ? (maxDigits ?? 1) === 1 : maxDigits === 1;
    if (sole) {
      this.#digits = digit;
      return this.#entered();
    }
    if (digit === '#' && this.#digits !== '') return this.#entered();
    this.#digits += digit;
    if (this.#digits.length >= (maxDigits ?? 64)) return this.#entered();
    this.#awaitKey();
  }

  /** After something else was said to the caller: the prompt again. */
  rejoin(): void {
    if (!this.#done) this.#ask(this.#menu.repeatPrompt ?? this.#menu.mainPrompt);
  }

  #named(id: string): Menu {
    const { menus } = this.#action;
    return menus.find((menu) => menu.id === id) ?? menus[0]!;
  }

  #enter(menu: Menu): void {
    this.#menu = menu;
    this.#repeats = 0;
    this.#ask(menu.mainPrompt);
  }

  #ask(prompt: string | undefined): void {
    const call = this.#call;
    this.#cancelTimers();
    this.#digits = '';
    this.#prompt?.abort();
    this.#prompt = undefined;
    const { leg } = call;
    if (prompt === undefined || leg === undefined) return this.#awaitKeys();
    const playing = new AbortController();
    this.#prompt = playing;
    const signal = AbortSignal.any([playing.signal, this.#stopped.signal]);
    const sources = promptSources(call, prompt, this.#action.locale);
    call.background(
      playPrompts(call, sources, { signal, to: leg }).then(() => {
        if (this.#done || this.#prompt !== playing) return;
        this.#prompt = undefined;
        this.#awaitKeys();
      }),
    );
  }

  #awaitKeys(): void {
    const { maxTimeoutMills } = this.#menu;
    if (maxTimeoutMills !== undefined)
      this.#wholeTimer = this.#after(maxTimeoutMills, () => this.#timedOut());
    this.#awaitKey();
  }

  #awaitKey(): void {
    this.#keyTimer?.cancel();
    this.#keyTimer = this.#after(this.#menu.timeoutMills, () => this.#timedOut());
  }

  #timedOut(): void {
    // Keys that nobody closed with `#` are an input all the same.
    if (this.#digits !== '') return this.#entered();
    this.#again({ menuId: this.#menu.id, type: 'timeout' });
  }

  #entered(): void {
    this.#cancelTimers();
    const digits = this.#digits;
    const menuId = this.#menu.id;
    const { options } = this.#menu;
    const option = options.find(({ dtmf }) => dtmf.toLowerCase() === digits.toLowerCase());
    if (option === undefined && options.length === 0)
      return this.#result({ menuId, type: 'sequence', value: digits, inputMethod: 'dtmf' });
    const does = option && menuAction(option.action);
    if (does === undefined)
      return this.#again({ menuId, type: 'invalidinput', value: digits, inputMethod: 'dtmf' });
    if (does.kind === 'menu') return this.#enter(this.#named(does.menuId));
    this.#result({ menuId, type: 'return', value: does.value, returnValue: digits, inputMethod: 'dtmf' });
  }

  /** Once more, or this is what came of it. */
  #again(result: MenuResult): void {
    if (this.#repeats++ >= this.#menu.repeats) return this.#result(result);
    this.#ask(this.#menu.repeatPrompt ?? this.#menu.mainPrompt);
  }

  #result(result: MenuResult): void {
    const call = this.#call;
    this.#finish();
    const { menuId, type } = result;
    call.log.info({ menuId, type }, 'menu done');
    if (!call.owner.asksPie) return call.end('programmeOver');
    call.background(askPie(call, pieMessage(call, result), { name: 'hangup' }));
  }

  #finish(): void {
    this.#done = true;
    this.#cancelTimers();
    this.#prompt?.abort();
    this.#stopped.abort();
  }

  #cancelTimers(): void {
    this.#keyTimer?.cancel();
    this.#wholeTimer?.cancel();
  }

  #after(delayMs: number, run: () => void): Timer {
    return this.#call.context.clock.after(delayMs, () => this.#call.guard(run));
  }
}
