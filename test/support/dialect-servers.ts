import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { AudioClient, type AudioStream } from '@jambonz/sdk/websocket';
import { TwilioRealtimeTransportLayer } from '@openai/agents-extensions';
import { AudioSocketServer } from 'asterisk-audiosocket';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import type { StreamDialectName } from '../../protocol/stream/messages.ts';

/** Stream servers as the platforms' customers have them: with a library of the platform's side where npm has one, else
 *  written from the vendor's published messages alone. All of them let the caller hear itself. */
export interface DialectServer {
  readonly url: string;
  /** What it was told besides audio, in order. */
  readonly told: readonly unknown[];
  /** Asks to be told when all that it has sent so far was played. */
  mark(): void;
  /** Wants what it has sent and was not played to be dropped. */
  clear(): void;
  hangUp(): void;
  close(): Promise<void>;
}

type Ready = Omit<DialectServer, 'url' | 'told' | 'close'>;

const notThere = (what: string) => (): never => {
  throw new Error(`this dialect has no ${what}`);
};

function asText(data: RawData): string {
  return (data as Buffer).toString('utf8');
}

/** A WebSocket server of which `connected` makes what the test drives. */
async function listen(
  connected: (socket: WebSocket, told: unknown[]) => Ready | Promise<Ready>,
  subprotocol?: string,
): Promise<DialectServer> {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    ...(subprotocol !== undefined && {
      handleProtocols: (offered: Set<string>) => (offered.has(subprotocol) ? subprotocol : false),
    }),
  });
  await once(server, 'listening');
  const told: unknown[] = [];
  let ready: Ready | undefined;
  server.on('connection', (socket) => {
    void Promise.resolve(connected(socket, told)).then((made) => {
      ready = made;
    });
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    told,
    mark: () => ready?.mark(),
    clear: () => ready?.clear(),
    hangUp: () => ready?.hangUp(),
    close: async () => {
      for (const client of server.clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A realtime model's WebSocket that says what it hears, in its published messages. */
async function startModel(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  server.on('connection', (socket) => {
    socket.send(JSON.stringify({ type: 'session.created', event_id: 'e0', session: { id: 's1' } }));
    socket.on('message', (data) => {
      const message = JSON.parse(asText(data)) as { readonly type: string; readonly audio?: string };
      if (message.type !== 'input_audio_buffer.append') return;
      socket.send(
        JSON.stringify({
          type: 'response.output_audio.delta',
          event_id: 'e1',
          response_id: 'r1',
          item_id: 'i1',
          output_index: 0,
          content_index: 0,
          delta: message.audio,
        }),
      );
    });
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      for (const client of server.clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The Twilio transport of a voice SDK, between us and a model. */
async function startTwilio(): Promise<DialectServer> {
  const model = await startModel();
  const server = await listen(async (socket, told) => {
    let streamSid = '';
    socket.on('message', (data) => {
      const message = JSON.parse(asText(data)) as { readonly event: string; readonly streamSid?: string };
      streamSid = message.streamSid ?? streamSid;
      if (message.event !== 'media') told.push(message);
    });
    const transport = new TwilioRealtimeTransportLayer({ twilioWebSocket: socket as never });
    transport.on('error', () => {});
    await transport.connect({ apiKey: 'none', url: model.url });
    return {
      mark: () => socket.send(JSON.stringify({ event: 'mark', streamSid, mark: { name: 'ours' } })),
      clear: () => transport.interrupt(),
      hangUp: () => socket.close(),
    };
  });
  return {
    ...server,
    close: async () => {
      await server.close();
      await model.close();
    },
  };
}

/** From the published messages of the Voice API's WebSockets. */
function startVonage(): Promise<DialectServer> {
  return listen((socket, told) => {
    socket.on('message', (data, isBinary) => {
      if (isBinary) socket.send(data);
      else told.push(JSON.parse(asText(data)));
    });
    const say = (message: object): void => socket.send(JSON.stringify(message));
    return {
      mark: () => say({ action: 'notify', payload: { name: 'ours' } }),
      clear: () => say({ action: 'clear' }),
      hangUp: () => socket.close(),
    };
  });
}

/** From the published messages of media streaming in mode `rtp`. */
function startTelnyx(): Promise<DialectServer> {
  return listen((socket, told) => {
    const say = (message: object): void => socket.send(JSON.stringify(message));
    socket.on('message', (data) => {
      const message = JSON.parse(asText(data)) as {
        readonly event: string;
        readonly media?: { readonly payload: string };
      };
      if (message.event === 'media') say({ event: 'media', media: { payload: message.media!.payload } });
      else told.push(message);
    });
    return {
      mark: () => say({ event: 'mark', mark: { name: 'ours' } }),
      clear: () => say({ event: 'clear' }),
      hangUp: () => socket.close(),
    };
  });
}

/** From the published description of chan_websocket. */
function startAsterisk(): Promise<DialectServer> {
  return listen((socket, told) => {
    socket.on('message', (data, isBinary) => {
      if (isBinary) socket.send(data);
      else told.push(asText(data));
    });
    return {
      mark: () => socket.send('MARK_MEDIA ours'),
      clear: () => socket.send('FLUSH_MEDIA'),
      hangUp: () => socket.send('HANGUP'),
    };
  }, 'media');
}

const quiet = { info() {}, debug() {}, warn() {}, error() {} };

/** The platform's own SDK. */
function startJambonz(): Promise<DialectServer> {
  return listen(
    (socket, told) =>
      new Promise((resolve) => {
        const client = new AudioClient(quiet as never, '/');
        client.on('connection', (stream: AudioStream) => {
          told.push(stream.metadata);
          stream.on('audio', (pcm) => stream.sendAudio(pcm));
          stream.on('dtmf', (digit) => told.push({ dtmf: digit }));
          stream.on('mark', (mark) => told.push({ mark }));
          stream.on('error', () => {});
          resolve({
            mark: () => stream.sendMark('ours'),
            clear: () => stream.killAudio(),
            hangUp: () => stream.disconnect(),
          });
        });
        client.handle(socket, {} as never);
      }),
    'audio.jambonz.org',
  );
}

/** Somebody's AudioSocket library. */
async function startAudioSocket(): Promise<DialectServer> {
  const server = new AudioSocketServer({ host: '127.0.0.1', port: 0 });
  const told: unknown[] = [];
  let hangUp = (): void => {};
  server.on('connection', (call) => {
    call.on('id', (id) => told.push({ id }));
    call.on('audio', (pcm) => void call.play(pcm));
    call.on('error', () => {});
    hangUp = () => call.hangup();
  });
  await server.listen();
  return {
    url: `tcp://127.0.0.1:${server.address!.port}`,
    told,
    mark: notThere('mark'),
    clear: notThere('clear'),
    hangUp: () => hangUp(),
    close: () => server.close(),
  };
}

export const dialectServers: Readonly<
  Record<Exclude<StreamDialectName, 'sinch'>, () => Promise<DialectServer>>
> = {
  twilio: startTwilio,
  vonage: startVonage,
  telnyx: startTelnyx,
  asterisk: startAsterisk,
  jambonz: startJambonz,
  audiosocket: startAudioSocket,
};
