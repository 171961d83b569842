import type { SipAddress } from '../../../gateway/signaling/session.ts';
import {
  emptyBody,
  type SipHeader,
  type SipMessage,
  type SipRequest,
} from '../../../protocol/sip/message.ts';
import { parseMessage } from '../../../protocol/sip/parse.ts';
import { serializeMessage } from '../../../protocol/sip/serialize.ts';
import type { MemoryNetwork } from '../../support/memory-network.ts';
import { labelOf, offerSdp } from './agents.ts';

export interface StrangeRequest {
  readonly headers?: readonly SipHeader[];
  readonly branch?: string;
  readonly cseq?: number;
  readonly callId?: string;
  readonly to?: string;
  readonly uri?: string;
  readonly contact?: string;
  readonly sdp?: string;
}

/** Somebody at any address who sends what he likes and keeps what comes back. */
export interface Stranger {
  readonly address: string;
  readonly port: number;
  readonly received: { readonly message: SipMessage; readonly sizeBytes: number; readonly atMs: number }[];
  readonly labels: string[];
  /** Size of what was sent. */
  send(message: SipRequest | string): number;
  build(method: string, options?: StrangeRequest): SipRequest;
}

let branches = 0;

export async function openStranger(
  { network, clock }: { readonly network: MemoryNetwork; readonly clock: { nowMs(): number } },
  { address, gateway }: { readonly address: string; readonly gateway: Pick<SipAddress, 'address' | 'port'> },
): Promise<Stranger> {
  const received: Stranger['received'] = [];
  const labels: string[] = [];
  const socket = await network.openUdp({ address, port: 0 }, (datagram) => {
    const message = parseMessage(datagram);
    received.push({ message, sizeBytes: datagram.length, atMs: clock.nowMs() });
    labels.push(labelOf(message));
  });
  return {
    address,
    port: socket.port,
    received,
    labels,
    send(message) {
      const bytes = typeof message === 'string' ? Buffer.from(message) : serializeMessage(message);
      socket.send(bytes, 0, bytes.length, gateway.port, gateway.address);
      return bytes.length;
    },
    build(method, options = {}) {
      const { cseq = 1, callId = `call-${branches}`, sdp = method === 'INVITE' ? offerSdp : '' } = options;
      const { branch = `z9hG4bK-s${branches++}`, contact = `<sip:x@${address}:${socket.port}>` } = options;
      return {
        kind: 'request',
        method,
        uri: options.uri ?? `sip:echo@${gateway.address}:${gateway.port}`,
        headers: [
          { name: 'Via', value: `SIP/2.0/UDP ${address}:${socket.port};branch=${branch};rport` },
          { name: 'Max-Forwards', value: '70' },
          { name: 'From', value: `<sip:x@${address}>;tag=x` },
          { name: 'To', value: options.to ?? `<sip:echo@${gateway.address}>` },
          { name: 'Call-ID', value: callId },
          { name: 'CSeq', value: `${cseq} ${method}` },
          { name: 'Contact', value: contact },
          ...(sdp === '' ? [] : [{ name: 'Content-Type', value: 'application/sdp' }]),
          ...(options.headers ?? []),
        ],
        body: sdp === '' ? emptyBody : Buffer.from(sdp),
      };
    },
  };
}
