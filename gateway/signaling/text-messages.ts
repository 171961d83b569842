import { ProtocolError } from '../../protocol/protocol-error.ts';
import { parseMediaType } from '../../protocol/sip/header-values.ts';
import { headerValue, type SipRequest } from '../../protocol/sip/message.ts';
import { parseNameAddr } from '../../protocol/sip/name-addr.ts';
import type { OutsideReply, RequestSource } from './session.ts';
import { flowText } from './sip-flow.ts';

/** A MESSAGE outside any dialog. RFC 3428. */
export interface TextMessage {
  /** URIs of From and of the Request-URI. */
  readonly from: string;
  readonly to: string;
  /** `text/plain`, in lower case and without parameters. */
  readonly contentType: string;
  readonly text: string;
  readonly sipCallId: string;
  /** `udp:192.0.2.1:5060` */
  readonly source: string;
  /** Who proved by digest to be that user; undefined where none was asked for: `from` then is what anybody may say. */
  readonly username: string | undefined;
}

/** More is no text that a person wrote. */
const textBytesMax = 16_384;

/** Hands a MESSAGE to its owner, and says how to answer it: 202 where `received` takes it, else 480. It is told once,
 *  however often the request comes. Only text is taken (415), in UTF-8, and no more than 16 KiB of it (413). */
export function receiveTextMessage(
  request: SipRequest,
  source: RequestSource,
  received: (message: TextMessage) => boolean,
): OutsideReply {
  const { body } = request;
  if (body.length > textBytesMax) return { status: 413 };
  let contentType: string;
  let text: string;
  try {
    ({ type: contentType } = parseMediaType(headerValue(request, 'Content-Type') ?? 'text/plain'));
    if (!contentType.startsWith('text/')) return unreadable;
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    if (error instanceof ProtocolError) return { status: 400 };
    if (error instanceof TypeError) return unreadable;
    throw error;
  }
  const taken = received({
    from: parseNameAddr(headerValue(request, 'From') ?? '').uri,
    to: request.uri,
    contentType,
    text,
    sipCallId: headerValue(request, 'Call-ID') ?? '',
    source: flowText(source.flow.remote),
    username: source.username,
  });
  return { status: taken ? 202 : 480 };
}

const unreadable: OutsideReply = { status: 415, headers: [{ name: 'Accept', value: 'text/plain' }] };
