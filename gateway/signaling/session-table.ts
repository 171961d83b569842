import type { SipRequest } from '../../protocol/sip/message.ts';
import { dialogKey } from '../../protocol/sip/transaction-key.ts';
import type { LiveSession } from './live-session.ts';
import type { SipFlow } from './sip-flow.ts';

/** The sessions of a user agent, found by what a message says of them. */
export class SessionTable {
  readonly #sessions = new Set<LiveSession>();
  readonly #dialogs = new Map<string, LiveSession>();
  readonly #invites = new Map<SipRequest, LiveSession>();

  get size(): number {
    return this.#sessions.size;
  }

  get dialogs(): number {
    return this.#dialogs.size;
  }

  get sessions(): readonly LiveSession[] {
    return [...this.#sessions];
  }

  /** Whether one of them came, or went, this way. */
  use(flow: SipFlow): boolean {
    for (const session of this.#sessions) if (session.flow === flow) return true;
    return false;
  }

  /** `invite` where it came from outside. */
  add(session: LiveSession, invite?: SipRequest): void {
    this.#sessions.add(session);
    if (invite !== undefined) this.#invites.set(invite, session);
  }

  ofDialog(key: string): LiveSession | undefined {
    return this.#dialogs.get(key);
  }

  /** The session that this INVITE began. */
  ofInvite(invite: SipRequest): LiveSession | undefined {
    return this.#invites.get(invite);
  }

  /** After every step of a session: it may be over, or its dialogs may be others, as each phone that an INVITE rings
   *  begins one. True where they are. */
  changed(session: LiveSession): boolean {
    const { machine } = session;
    if (machine.finished) {
      this.#sessions.delete(session);
      this.#invites.delete(machine.invite);
      this.#forgetDialogs(session);
      return false;
    }
    if (session.dialogsListed === machine.dialogs) return false;
    this.#forgetDialogs(session);
    session.dialogsListed = machine.dialogs;
    session.dialogKeys = machine.dialogs.map(({ callId, localTag, remoteTag }) =>
      dialogKey(callId, localTag, remoteTag),
    );
    for (const key of session.dialogKeys) this.#dialogs.set(key, session);
    return true;
  }

  clear(): void {
    this.#sessions.clear();
    this.#dialogs.clear();
    this.#invites.clear();
  }

  #forgetDialogs(session: LiveSession): void {
    for (const key of session.dialogKeys) this.#dialogs.delete(key);
    session.dialogKeys = [];
  }
}
