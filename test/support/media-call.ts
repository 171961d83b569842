import { createInlineMediaPool } from '../../gateway/media/inline-media-pool.ts';
import type { MediaEvent, RtpSession, StreamPlayout } from '../../gateway/media/media-messages.ts';
import type { MediaGroup, MediaPool } from '../../gateway/media/media-pool.ts';
import type { StreamConnect, StreamDialectName } from '../../protocol/stream/messages.ts';
import { FakeClock } from './fake-clock.ts';
import { type LinkOptions, MemoryNetwork } from './memory-network.ts';
import { type MemoryStream, MemoryStreamServer } from './memory-stream.ts';
import { RtpPeer } from './rtp-peer.ts';

export interface MediaWorldOptions {
  readonly link?: LinkOptions;
  readonly rtpTimeoutMs?: number;
  readonly ports?: readonly [number, number];
}

/** The media plane in this thread, on virtual time, between RTP peers and a stream server in memory. */
export function createMediaWorld({ link, rtpTimeoutMs = 0, ports = [0, 0] }: MediaWorldOptions = {}) {
  const clock = new FakeClock();
  const network = new MemoryNetwork(clock, link);
  const server = new MemoryStreamServer(clock).echo();
  const pool = createInlineMediaPool({
    clock,
    network,
    openStreamSocket: server.open,
    ports,
    rtpTimeoutMs,
  });
  return { clock, network, server, pool };
}

export type MediaWorld = ReturnType<typeof createMediaWorld>;

/** The call that servers are told about. */
export function connectOf(sampleRateHz: number): StreamConnect {
  return {
    callId: 'call',
    applicationKey: 'app',
    sampleRateHz,
    callHeaders: [],
    from: 'alice',
    to: 'bot',
    direction: 'inbound',
    sipHeaders: {},
  };
}

/** Commands and events of one call, without a control plane. */
export class MediaCall {
  readonly group: MediaGroup;
  readonly events: MediaEvent[] = [];
  readonly rtpId: string;
  readonly streamId: string;

  constructor(pool: MediaPool, id: string) {
    this.group = pool.openGroup((event) => this.events.push(event));
    this.rtpId = `${id}.rtp`;
    this.streamId = `${id}.stream`;
  }

  event<T extends MediaEvent['type']>(type: T): Extract<MediaEvent, { type: T }> | undefined {
    return this.all(type)[0];
  }

  all<T extends MediaEvent['type']>(type: T): Extract<MediaEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<MediaEvent, { type: T }> => event.type === type);
  }

  openRtp(address = '127.0.0.1', rtcpMux = false): void {
    this.group.send({ type: 'openRtp', endpointId: this.rtpId, address, rtcpMux });
  }

  openStream({
    sampleRateHz = 16_000,
    frameMs = 20,
    url = 'ws://stream.test/',
    dialect = 'sinch' as StreamDialectName,
    limits = {},
    playout = {} as StreamPlayout,
    resumeMs = 0,
  } = {}): void {
    this.group.send({
      type: 'openStream',
      endpointId: this.streamId,
      url,
      address: undefined,
      headers: {},
      dialect,
      connect: connectOf(sampleRateHz),
      frameMs,
      playout,
      resumeMs,
      limits: {
        connectTimeoutMs: 5000,
        answerTimeoutMs: 10_000,
        idleTimeoutMs: 60_000,
        bufferBytes: 5_000_000,
        ...limits,
      },
    });
  }

  startRtp(
    peer: { readonly address: string; readonly port: number },
    changes: Partial<RtpSession> = {},
  ): void {
    const remote = { address: peer.address, port: peer.port };
    this.group.send({
      type: 'setRtpSession',
      endpointId: this.rtpId,
      session: {
        remote,
        remoteRtcp: remote,
        codec: 'pcmu',
        payloadTypeSend: 0,
        payloadTypeReceive: 0,
        dtmfPayloadTypeSend: 101,
        dtmfPayloadTypeReceive: 101,
        ptimeMs: 20,
        direction: 'sendrecv',
        symmetric: 'off',
        rtcpMux: false,
        ...changes,
      },
    });
  }

  bridge(): void {
    this.group.send({ type: 'bridge', a: this.rtpId, b: this.streamId });
  }

  closeRtp(): void {
    this.group.send({ type: 'closeRtp', endpointId: this.rtpId });
  }

  closeStream(code = 1000, reason = 'CALLERHANGUP'): void {
    this.group.send({ type: 'closeStream', endpointId: this.streamId, code, reason });
  }
}

/** A call that is answered and bridged, with its phone ready to speak. */
export async function startMediaCall(
  world: MediaWorld,
  options: {
    readonly id?: string;
    readonly sampleRateHz?: number;
    readonly session?: Partial<RtpSession>;
    readonly frameMs?: number;
    readonly limits?: object;
    readonly dialect?: StreamDialectName;
    readonly playout?: StreamPlayout;
    readonly resumeMs?: number;
  } = {},
): Promise<{ call: MediaCall; phone: RtpPeer; stream: MemoryStream }> {
  const { clock, network, server, pool } = world;
  const { id = 'call', session, ...stream } = options;
  const phone = await RtpPeer.open(clock, network);
  const call = new MediaCall(pool, id);
  call.openRtp();
  call.openStream(stream);
  await clock.until(() => call.event('rtpOpened') !== undefined && call.event('streamReplied') !== undefined);
  phone.to = { address: '127.0.0.1', port: call.event('rtpOpened')!.port };
  call.startRtp(phone, session);
  call.bridge();
  return { call, phone, stream: server.last };
}
