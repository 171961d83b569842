import type { EventMessage, EventName } from '../../../protocol/stream/message-schemas.ts';
import { parseObject, readConnect } from '../bot-connect.ts';
import { type BotDialect, type BotNews, messageNews } from './bot-dialect.ts';

/** The stream protocol itself. */
export const sinch: BotDialect = {
  name: 'sinch',
  transport: 'websocket',
  awaitsReply: true,
  tellsCallId: true,
  lacks: new Set(),
  createSession: ({ sampleRateAssumed }) => {
    let isConnected = false;
    return {
      receiveText: (text) => {
        if (isConnected) return readLater(text);
        const info = readConnect(text, sampleRateAssumed);
        isConnected = true;
        return [{ type: 'connect', info }];
      },
      receiveBinary: (pcm) => [{ type: 'audio', pcm }],
      say: (command) => [JSON.stringify(command)],
      encodeAudio: (pcm) => [pcm],
    };
  },
};

function readLater(text: string): readonly BotNews[] {
  const message = parseObject(text);
  if (message === undefined) return [];
  const { event } = message;
  const isKnown = typeof event === 'string' && Object.hasOwn(eventNames, event);
  return [messageNews(message, ...(isKnown ? [message as unknown as EventMessage] : []))];
}

const eventNames: Readonly<Record<EventName, true>> = {
  mark: true,
  cleared: true,
  dtmf: true,
  hold: true,
  resume: true,
  flow: true,
  stats: true,
  transfer: true,
  status: true,
  error: true,
};
