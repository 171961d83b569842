import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** What a gateway does wrong on purpose. */
export interface Sabotage {
  /** Every so many packets one is not sent. 0 for none. */
  readonly dropEvery: number;
  /** Every other packet of a call is held back so long. */
  readonly holdMs: number;
}

/** Answers every INVITE and sends back the RTP that it gets, under its own sequence numbers: as much of a gateway
 *  as the phones can see. */
export class MirrorGateway {
  readonly #sip: Socket;
  readonly #sabotage: Sabotage;
  readonly #calls = new Map<string, Socket>();
  /** Status that refuses every call; 0 answers. */
  refuseWith = 0;
  byes = 0;

  private constructor(sip: Socket, sabotage: Sabotage) {
    this.#sip = sip;
    this.#sabotage = sabotage;
    sip.on('message', (datagram, from) => void this.#receive(datagram.toString('latin1'), from));
  }

  static async start(sabotage: Sabotage = { dropEvery: 0, holdMs: 0 }): Promise<MirrorGateway> {
    const sip = createSocket('udp4');
    sip.bind(0, '127.0.0.1');
    await once(sip, 'listening');
    return new MirrorGateway(sip, sabotage);
  }

  get port(): number {
    return this.#sip.address().port;
  }

  close(): void {
    this.#sip.close();
    for (const socket of this.#calls.values()) socket.close();
    this.#calls.clear();
  }

  async #receive(text: string, from: RemoteInfo): Promise<void> {
    const header = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(text)![1]!.trim();
    const callId = header('Call-ID');
    const respond = (statusLine: string, extra = '', body = ''): void => {
      const copied = ['Via', 'From', 'Call-ID', 'CSeq']
        .map((name) => `${name}: ${header(name)}\r\n`)
        .join('');
      const to = header('To').includes('tag=') ? header('To') : `${header('To')};tag=mirror`;
      this.#sip.send(
        `SIP/2.0 ${statusLine}\r\n${copied}To: ${to}\r\n${extra}Content-Length: ${body.length}\r\n\r\n${body}`,
        from.port,
        from.address,
      );
    };
    if (text.startsWith('BYE ')) {
      this.byes++;
      this.#calls.get(callId)?.close();
      this.#calls.delete(callId);
      respond('200 OK');
    } else if (text.startsWith('INVITE ')) {
      respond('100 Trying');
      if (this.refuseWith > 0) {
        respond(`${this.refuseWith} Refused`);
        return;
      }
      const media = createSocket('udp4');
      this.#calls.set(callId, media);
      media.bind(0, '127.0.0.1');
      await once(media, 'listening');
      this.#mirror(media, callId);
      respond(
        '200 OK',
        `Contact: <sip:mirror@127.0.0.1:${this.port}>\r\nContent-Type: application/sdp\r\n`,
        `v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio ${media.address().port} RTP/AVP 0\r\n`,
      );
    }
  }

  #mirror(media: Socket, callId: string): void {
    const { dropEvery, holdMs } = this.#sabotage;
    let packets = 0;
    media.on('message', (datagram, from) => {
      packets++;
      const packet = Buffer.from(datagram);
      packet.writeUInt16BE(packets & 0xffff, 2);
      const send = (): void => {
        if (this.#calls.get(callId) === media) media.send(packet, from.port, from.address);
      };
      if (dropEvery > 0 && packets % dropEvery === 0) return;
      if (holdMs > 0 && packets % 2 === 0) setTimeout(send, holdMs);
      else send();
    });
  }
}
