import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { createTone } from '../../codecs/tones.ts';

/** The server's side of a realtime speech model, from the published events: answers `response.create` with a long tone,
 *  faster than it can be heard, and says that speech began when loud audio comes in. Not more than a relay needs. */

type Event = Readonly<Record<string, unknown>> & { readonly type: string };

export interface SpeechModel {
  readonly url: string;
  /** Of the last connection. */
  readonly headers: IncomingHttpHeaders;
  /** Audio that came in, in ms. */
  readonly heardMs: number;
  event(type: string): Promise<Event>;
  close(): Promise<void>;
}

export const answerMs = 4_000;
export const answerHz = 1_300;
const rateHz = 24_000;
const deltaMs = 200;
const loudSample = 4_000;

export async function startSpeechModel(vocabulary: 'general' | 'beta'): Promise<SpeechModel> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await new Promise((resolve) => server.once('listening', resolve));
  const events: Event[] = [];
  const watchers = new Set<() => void>();
  let headers: IncomingHttpHeaders = {};
  let heardSamples = 0;

  server.on('connection', (socket, request) => {
    ({ headers } = request);
    const say = (event: object) => socket.send(JSON.stringify(event));
    let speaking = false;
    say({ type: 'session.created', session: {} });
    socket.on('message', (data) => {
      const event = JSON.parse(data.toString()) as Event;
      if (event.type !== 'input_audio_buffer.append') events.push(event);
      for (const look of [...watchers]) look();
      switch (event.type) {
        case 'session.update':
          return say({ type: 'session.updated', session: event.session });
        case 'response.create':
          return answer(socket, vocabulary);
        case 'conversation.item.truncate':
          return say({ ...event, type: 'conversation.item.truncated' });
        case 'input_audio_buffer.append': {
          const bytes = Buffer.from(String(event.audio), 'base64');
          heardSamples += bytes.length / 2;
          if (speaking || !isLoud(bytes)) return;
          speaking = true;
          say({ type: 'input_audio_buffer.speech_started', audio_start_ms: 0, item_id: 'item_user' });
          // What was on its way when it stopped itself.
          delta(socket, vocabulary, new Int16Array(2_400));
        }
      }
    });
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}/v1/realtime?model=stand-in`,
    get headers() {
      return headers;
    },
    get heardMs() {
      return (heardSamples * 1_000) / rateHz;
    },
    event: (type) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = events.find((event) => event.type === type);
          if (found === undefined) return;
          watchers.delete(look);
          resolve(found);
        };
        watchers.add(look);
        look();
      }),
    close: async () => {
      for (const client of server.clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(socket: WebSocket, vocabulary: 'general' | 'beta'): void {
  const tone = createTone(answerHz, rateHz, -12);
  for (let sentMs = 0; sentMs < answerMs; sentMs += deltaMs) {
    const pcm = new Int16Array((rateHz * deltaMs) / 1_000);
    tone.fill(pcm, 0, pcm.length);
    delta(socket, vocabulary, pcm);
  }
  socket.send(JSON.stringify({ type: `${response(vocabulary)}.done`, item_id: 'item_model' }));
}

function delta(socket: WebSocket, vocabulary: 'general' | 'beta', pcm: Int16Array): void {
  socket.send(
    JSON.stringify({
      type: `${response(vocabulary)}.delta`,
      response_id: 'resp_1',
      item_id: 'item_model',
      output_index: 0,
      content_index: 0,
      delta: Buffer.from(pcm.buffer).toString('base64'),
    }),
  );
}

function response(vocabulary: 'general' | 'beta'): string {
  return vocabulary === 'beta' ? 'response.audio' : 'response.output_audio';
}

function isLoud(bytes: Buffer): boolean {
  for (let at = 0; at + 1 < bytes.length; at += 2) if (bytes.readInt16LE(at) > loudSample) return true;
  return false;
}
