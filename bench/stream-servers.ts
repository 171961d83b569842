import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { StreamCounters, StreamPlan, StreamReport } from './load-messages.ts';
import {
  createBurst,
  createMarkerLoop,
  frameMs,
  framesPerMarker,
  loopFrames,
  markerTones,
} from './marker-audio.ts';
import { Rows } from './rows.ts';
import { sharedNowMs } from './shared-clock.ts';
import { StreamConnection } from './stream-connection.ts';
import { opcodes, serverFrame } from './websocket-frames.ts';

const BURST_EVERY_MS = 2500;
const BURST_MS = 2000;
const CLEAR_EVERY_MS = 1000;
const CLEAR_AUDIO_MS = 1000;
const CLEAR_AFTER_MS = 300;
/** `clear` commands in a volley. */
const CLEAR_VOLLEY = 5;

/** What the connections of a stream server count and note down together. */
export interface StreamMeasures {
  readonly counters: StreamCounters;
  readonly markersHeard: Rows;
  readonly markersSent: Rows;
  readonly clears: Rows;
}

/** The customers' side under load: answers every `connect`, then does what the mode says. */
export class StreamServers {
  readonly #plan: StreamPlan;
  readonly #server: Server;
  readonly #connections = new Set<StreamConnection>();
  readonly #measures: StreamMeasures = {
    counters: {
      connections: 0,
      active: 0,
      framesReceived: 0,
      framesSent: 0,
      framesOdd: 0,
      framesSilent: 0,
      framesDropped: 0,
      violations: 0,
      clears: 0,
      markersUnknown: 0,
    },
    markersHeard: new Rows(4),
    markersSent: new Rows(4),
    clears: new Rows(2),
  };
  #timer: NodeJS.Timeout | undefined;

  constructor(plan: StreamPlan) {
    this.#plan = plan;
    const accept = (socket: Socket): void => this.#accept(socket);
    this.#server = plan.tls === undefined ? createTcpServer(accept) : createTlsServer(plan.tls, accept);
    // A failed TLS handshake is the gateway's to report.
    this.#server.on('tlsClientError', () => this.#measures.counters.violations++);
  }

  /** Gives the port really bound. Rejects with the system's error. */
  async listen(): Promise<number> {
    const { host, port, mode } = this.#plan;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: 4096 }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    if (mode === 'burst') this.#repeat(BURST_EVERY_MS, this.#burst());
    if (mode === 'clear') this.#repeat(CLEAR_EVERY_MS, this.#clearStorm());
    if (mode === 'tone') this.#repeat(frameMs, this.#tone());
    const bound = this.#server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : port;
  }

  report(): StreamReport {
    const { counters, markersHeard, markersSent, clears } = this.#measures;
    return {
      type: 'report',
      counters: { ...counters, active: this.#connections.size },
      markersHeard: markersHeard.take(),
      markersSent: markersSent.take(),
      clears: clears.take(),
    };
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const connection of this.#connections) connection.destroy();
    this.#server.close();
  }

  #accept(socket: Socket): void {
    socket.setNoDelay(true);
    this.#measures.counters.connections++;
    const { mode, sampleRateHz } = this.#plan;
    const connection = new StreamConnection(socket, this.#measures, {
      sampleRateHz,
      echo: mode === 'echo',
      closed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }

  /** Absolute deadlines: an interval would fall behind. */
  #repeat(everyMs: number, run: (nowMs: number) => void): void {
    let dueMs = sharedNowMs() + everyMs;
    const turn = (): void => {
      run(sharedNowMs());
      dueMs = Math.max(dueMs + everyMs, sharedNowMs() - 5 * everyMs);
      this.#timer = setTimeout(turn, Math.max(0, dueMs - sharedNowMs()));
    };
    this.#timer = setTimeout(turn, everyMs);
  }

  /** Frames on a server's way carry no mask: one buffer serves every call. */
  #burst(): (nowMs: number) => void {
    const bursts = Array.from({ length: markerTones }, (_, tone) =>
      audioFrame(createBurst(this.#plan.sampleRateHz, BURST_MS, tone)),
    );
    let tone = 0;
    return () => {
      for (const connection of this.#connections) connection.sendMarked(bursts[tone]!, tone, sharedNowMs());
      tone = (tone + 1) % markerTones;
    };
  }

  #clearStorm(): (nowMs: number) => void {
    const audio = audioFrame(createBurst(this.#plan.sampleRateHz, CLEAR_AUDIO_MS, 3));
    const clear = serverFrame(opcodes.text, Buffer.from('{"command":"clear"}'));
    return () => {
      for (const connection of this.#connections) connection.sendMarked(audio, 3, sharedNowMs());
      setTimeout(() => {
        for (const connection of this.#connections) connection.sendClears(clear, CLEAR_VOLLEY, sharedNowMs());
      }, CLEAR_AFTER_MS);
    };
  }

  #tone(): (nowMs: number) => void {
    const loop = createMarkerLoop(this.#plan.sampleRateHz);
    const samples = (this.#plan.sampleRateHz * frameMs) / 1000;
    const frames = Array.from({ length: loopFrames }, (_, frame) =>
      audioFrame(loop.subarray(frame * samples, (frame + 1) * samples)),
    );
    let at = 0;
    return () => {
      const frame = frames[at]!;
      const marker = at % framesPerMarker === 0;
      for (const connection of this.#connections) {
        if (marker) connection.sendMarked(frame, at / framesPerMarker, sharedNowMs());
        else connection.send(frame);
      }
      at = (at + 1) % loopFrames;
    };
  }
}

function audioFrame(pcm: Int16Array): Buffer {
  const payload = Buffer.alloc(pcm.length * 2);
  for (let i = 0; i < pcm.length; i++) payload.writeInt16LE(pcm[i]!, i * 2);
  return serverFrame(opcodes.binary, payload);
}
