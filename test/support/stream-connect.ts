import type { StreamConnect } from '../../protocol/stream/messages.ts';

/** What a server is told about a call, for tests of dialects. */
export const streamConnect: StreamConnect = {
  callId: 'gw-1.17',
  applicationKey: 'app-key',
  sampleRateHz: 16000,
  callHeaders: [{ key: 'customer', value: '4711' }],
  from: '+46700000001',
  to: '+46700000002',
  direction: 'inbound',
  sipHeaders: {},
};
