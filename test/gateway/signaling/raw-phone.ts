import type { UdpSocket } from '../../../gateway/network.ts';
import {
  emptyBody,
  headerValue,
  type SipHeader,
  type SipMessage,
  type SipRequest,
} from '../../../protocol/sip/message.ts';
import { parseMessage } from '../../../protocol/sip/parse.ts';
import { createResponse } from '../../../protocol/sip/response.ts';
import { serializeMessage } from '../../../protocol/sip/serialize.ts';
import type { FakeClock } from '../../support/fake-clock.ts';
import type { MemoryNetwork } from '../../support/memory-network.ts';
import { type Agent, accept, labelOf, offerSdp } from './agents.ts';

export interface RawRequest {
  readonly branch?: string;
  readonly cseq?: number;
  readonly toTag?: string;
  readonly fromTag?: string;
  readonly callId?: string;
  readonly uri?: string;
  readonly headers?: readonly SipHeader[];
  readonly sdp?: string;
}

/** A far side that does exactly what the test says: no transactions, no retransmissions. */
export class RawPhone {
  readonly received: SipMessage[] = [];
  readonly port: number;
  readonly #socket: UdpSocket;
  readonly #peer: Agent;
  #branches = 0;

  static async open(network: MemoryNetwork, peer: Agent, address = '127.0.0.1'): Promise<RawPhone> {
    let phone: RawPhone | undefined;
    const socket = await network.openUdp({ address, port: 0 }, (datagram) =>
      phone?.received.push(parseMessage(datagram)),
    );
    phone = new RawPhone(socket, peer);
    return phone;
  }

  private constructor(socket: UdpSocket, peer: Agent) {
    this.#socket = socket;
    this.#peer = peer;
    this.port = socket.port;
  }

  get uri(): string {
    return `sip:raw@127.0.0.1:${this.port}`;
  }

  get labels(): string[] {
    return this.received.map(labelOf);
  }

  /** The last message of that kind that came. */
  last(label: string): SipMessage {
    const found = this.received.findLast((message) => labelOf(message) === label);
    if (found === undefined) throw new Error(`no ${label} among ${this.labels.join(', ')}`);
    return found;
  }

  lastRequest(method: string): SipRequest {
    return this.last(method) as SipRequest;
  }

  build(method: string, options: RawRequest = {}): SipRequest {
    const {
      branch = `z9hG4bK-raw-${this.#branches++}`,
      cseq = 1,
      toTag,
      fromTag = 'raw',
      sdp = '',
    } = options;
    const uri = options.uri ?? this.#peer.uri;
    return {
      kind: 'request',
      method,
      uri,
      headers: [
        { name: 'Via', value: `SIP/2.0/UDP 127.0.0.1:${this.port};branch=${branch}` },
        { name: 'Max-Forwards', value: '70' },
        { name: 'From', value: `<sip:raw@127.0.0.1>;tag=${fromTag}` },
        { name: 'To', value: `<${this.#peer.uri}>${toTag === undefined ? '' : `;tag=${toTag}`}` },
        { name: 'Call-ID', value: options.callId ?? 'raw-call' },
        { name: 'CSeq', value: `${cseq} ${method}` },
        { name: 'Contact', value: `<sip:raw@127.0.0.1:${this.port}>` },
        ...(sdp === '' ? [] : [{ name: 'Content-Type', value: 'application/sdp' }]),
        ...(options.headers ?? []),
      ],
      body: sdp === '' ? emptyBody : Buffer.from(sdp),
    };
  }

  request(method: string, options: RawRequest = {}): SipRequest {
    const request = this.build(method, options);
    this.send(request);
    return request;
  }

  respond(
    request: SipRequest,
    status: number,
    options: { readonly toTag?: string; readonly headers?: readonly SipHeader[]; readonly sdp?: string } = {},
  ): void {
    const { toTag = 'raw', headers = [], sdp = '' } = options;
    const contact = { name: 'Contact', value: `<sip:raw@127.0.0.1:${this.port}>` };
    const type = sdp === '' ? [] : [{ name: 'Content-Type', value: 'application/sdp' }];
    const body = sdp === '' ? emptyBody : Buffer.from(sdp);
    this.send(createResponse(request, status, { toTag, headers: [contact, ...headers, ...type], body }));
  }

  send(message: SipMessage | string | Uint8Array): void {
    const bytes =
      typeof message === 'string'
        ? Buffer.from(message)
        : message instanceof Uint8Array
          ? message
          : serializeMessage(message);
    this.#socket.send(bytes, 0, bytes.length, this.#peer.port, '127.0.0.1');
  }

  /** The tag of the far side in a response. */
  toTag(label: string): string {
    return /;tag=([^;]+)/.exec(headerValue(this.last(label), 'To') ?? '')?.[1] ?? '';
  }

  close(): void {
    this.#socket.close();
  }
}

/** The phone calls, the agent answers; returns the agent's tag. */
export async function callFrom(phone: RawPhone, clock: FakeClock, agent: Agent): Promise<string> {
  agent.on.invited = (session) => session.accept(accept);
  phone.request('INVITE', { sdp: offerSdp });
  await clock.advance(50);
  phone.request('ACK', { toTag: phone.toTag('200') });
  await clock.advance(50);
  return phone.toTag('200');
}
