import type { InviteSession } from '../../gateway/signaling/session.ts';
import type { SipHeader } from '../../protocol/sip/message.ts';
import { type Agent, createAgent } from '../gateway/signaling/agents.ts';
import type { CallWorld } from '../support/call-world.ts';
import { RtpPeer } from '../support/rtp-peer.ts';

export interface SdpParts {
  readonly port: number;
  readonly version?: number;
  readonly address?: string;
  /** Payload numbers of the m-line. Default 0 and 101. */
  readonly formats?: string;
  readonly rtpmaps?: readonly string[];
  readonly direction?: string;
}

export function sdp(parts: SdpParts): string {
  const { port, version = 1, address = '127.0.0.1', formats = '0 101', direction } = parts;
  const rtpmaps = parts.rtpmaps ?? ['101 telephone-event/8000'];
  return [
    'v=0',
    `o=- 7 ${version} IN IP4 127.0.0.1`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
    `m=audio ${port} RTP/AVP ${formats}`,
    ...rtpmaps.map((rtpmap) => `a=rtpmap:${rtpmap}`),
    ...(direction === undefined ? [] : [`a=${direction}`]),
    '',
  ].join('\r\n');
}

/** A phone on the world's network whose every word of SDP and RTP is the test's. */
export class BarePhone {
  readonly agent: Agent;
  readonly rtp: RtpPeer;
  readonly #world: CallWorld;
  session!: InviteSession;
  #version = 1;

  private constructor(world: CallWorld, agent: Agent, rtp: RtpPeer) {
    this.#world = world;
    this.agent = agent;
    this.rtp = rtp;
  }

  static async open(world: CallWorld, options: Parameters<typeof createAgent>[1] = {}): Promise<BarePhone> {
    const agent = await createAgent(world, { seed: 5, ...options });
    return new BarePhone(world, agent, await RtpPeer.open(world.clock, world.network));
  }

  dial(headers: readonly SipHeader[] = []): InviteSession {
    this.agent.on.accepted = (_response, answer) => this.takeAnswer(answer!);
    this.session = this.agent.call({ uri: this.#world.target }, { offer: () => this.offer(), headers });
    return this.session;
  }

  /** Calls, and talks when answered. */
  async call(headers: readonly SipHeader[] = []): Promise<InviteSession> {
    this.dial(headers);
    await this.#world.clock.until(() => this.agent.events.includes('accepted'), 60_000);
    return this.session;
  }

  offer(parts: Partial<SdpParts> = {}): string {
    return sdp({ port: this.rtp.port, version: this.#version++, ...parts });
  }

  /** From here on audio goes where the gateway wants it. */
  takeAnswer(answer: string): void {
    this.rtp.to = { address: '127.0.0.1', port: Number(/^m=audio (\d+)/m.exec(answer)![1]) };
  }

  /** re-INVITE or UPDATE to its end. */
  async reoffer(
    parts: Partial<SdpParts> = {},
    method: 'reinvite' | 'update' = 'reinvite',
  ): Promise<{ readonly answer: string } | { readonly status: number }> {
    let outcome: Awaited<ReturnType<InviteSession['reinvite']>> | undefined;
    void this.session[method](this.offer(parts)).then((result) => {
      outcome = result;
    });
    await this.#world.clock.until(() => outcome !== undefined, 60_000);
    return outcome!;
  }

  /** Packets heard from now on, in so much time. */
  async listen(forMs: number): Promise<RtpPeer['heard']> {
    const from = this.rtp.heard.length;
    await this.#world.clock.advance(forMs);
    return this.rtp.heard.slice(from);
  }
}
