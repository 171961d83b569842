import { headerValue } from '../../protocol/sip/message.ts';
import type { CallMessages, TracedMessage } from '../signaling/message-trace.ts';
import { readableMessage, startLineOf } from '../signaling/readable-message.ts';
import { flowText } from '../signaling/sip-flow.ts';

/** The SIP messages of one call as `GET /calls/{callId}/trace` shows them. */
export interface CallTrace {
  readonly callId: string;
  readonly messages: readonly CallTraceMessage[];
  /** Left out in the middle, as there were too many. */
  readonly dropped: number;
}

export interface CallTraceMessage {
  /** ISO 8601. */
  readonly at: string;
  /** Since the first of them. */
  readonly afterMs: number;
  readonly direction: 'in' | 'out';
  /** Ours and the far side's, `udp:192.0.2.1:5060`. */
  readonly local: string;
  readonly remote: string;
  /** `INVITE`, or `200 OK (INVITE)`. */
  readonly summary: string;
  readonly hasSdp: boolean;
  /** The same message went the same way before. */
  readonly repeated: boolean;
  /** The whole, lines ending in LF; credentials, keys and digits are hidden. */
  readonly text: string;
}

export function callTrace(callId: string, { messages, dropped }: CallMessages): CallTrace {
  const firstMs = messages[0]?.atMs ?? 0;
  const seen = new Set<string>();
  return {
    callId,
    dropped,
    messages: messages.map((traced) => {
      const { atMs, wallMs, direction, local, remote, message } = traced;
      const text = readableMessage(message);
      const key = `${direction} ${text}`;
      const repeated = seen.has(key);
      seen.add(key);
      return {
        at: new Date(wallMs).toISOString(),
        afterMs: Math.round((atMs - firstMs) * 10) / 10,
        direction,
        local: flowText(local),
        remote: flowText(remote),
        summary: summaryOf(traced),
        hasSdp: /^application\/sdp\b/i.test(headerValue(message, 'Content-Type') ?? ''),
        repeated,
        text,
      };
    }),
  };
}

function summaryOf({ message }: TracedMessage): string {
  if (message.kind === 'request') return message.method;
  const method = headerValue(message, 'CSeq')?.split(/\s+/)[1] ?? '?';
  return `${startLineOf(message)} (${method})`;
}
