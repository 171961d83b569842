import type { SipHeader } from '../../protocol/sip/message.ts';

/** Headers that the owner of a call wants on its messages to the phone: X- headers and User-to-User (RFC 7433). */
export class AddedHeaders {
  /** For the 200. */
  readonly answer: SipHeader[] = [];
  /** For the BYE, or the refusal. */
  readonly end: SipHeader[] = [];

  /** Throws `TypeError` for others: what SIP itself needs is not for owners to change. */
  add(message: 'answer' | 'end', headers: readonly SipHeader[]): void {
    for (const { name, value } of headers) {
      if (!/^(?:x-[\w.!%*+`'~-]+|user-to-user)$/i.test(name) || /[\r\n\0]/.test(value))
        throw new TypeError(`expected an X- header or User-to-User of one line, got ${JSON.stringify(name)}`);
    }
    this[message].push(...headers);
  }
}
