import type { InviteSession } from '../../gateway/signaling/session.ts';
import { type Agent, createAgent } from '../gateway/signaling/agents.ts';
import type { CallWorld } from '../support/call-world.ts';
import { RtpPeer } from '../support/rtp-peer.ts';
import { sdp } from './bare-phone.ts';

/** A phone that is called: does with each INVITE what its test says. */
export class CalleePhone {
  readonly agent: Agent;
  readonly rtp: RtpPeer;
  readonly #world: CallWorld;
  /** Of the latest call. */
  session!: InviteSession;
  /** Rings for so long, and then: */
  ringMs = 500;
  /** `early`: rings with audio, says `tone`, and answers. `never`: rings on. */
  reply: 'answer' | 'early' | 'never' | number = 'answer';
  /** Heard from it once it answers; 0 for silence. */
  frequencyHz = 0;
  formats: { formats?: string; rtpmaps?: readonly string[] } = {};

  private constructor(world: CallWorld, agent: Agent, rtp: RtpPeer) {
    this.#world = world;
    this.agent = agent;
    this.rtp = rtp;
  }

  /** `port`: in the network of the test, 0 for any. */
  static async open(world: CallWorld, seed = 31, port = 0): Promise<CalleePhone> {
    const listen = [{ protocol: 'udp', address: '127.0.0.1', port }] as const;
    const agent = await createAgent(world, { seed, listen });
    const phone = new CalleePhone(world, agent, await RtpPeer.open(world.clock, world.network));
    agent.on.invited = (session) => phone.#invited(session);
    return phone;
  }

  /** `sip:name@host:port` */
  uri(name = 'bob'): string {
    return this.agent.uri.replace(/^sip:[^@]+/, `sip:${name}`);
  }

  get ended(): boolean {
    return this.agent.ends.length > 0;
  }

  #invited(session: InviteSession): void {
    const { clock } = this.#world;
    this.session = session;
    const port = Number(/^m=audio (\d+)/m.exec(session.offer ?? '')?.[1]);
    this.rtp.to = { address: '127.0.0.1', port };
    const answer = sdp({ port: this.rtp.port, ...this.formats });
    const { reply } = this;
    session.progress(180);
    if (reply === 'early') {
      session.progress(183, { sdp: answer });
      this.#speak();
    }
    if (reply === 'never') return;
    clock.after(this.ringMs, () => {
      if (session.state !== 'early') return;
      if (typeof reply === 'number') return session.end({ status: reply });
      session.accept({ sdp: answer });
      if (reply === 'answer') this.#speak();
    });
  }

  #speak(): void {
    if (this.frequencyHz > 0) this.rtp.sayTone({ frequencyHz: this.frequencyHz });
  }

  hangUp(): void {
    this.rtp.stop();
    this.session.end({ status: 200 });
  }
}
