/** What an operator is told of a stream, once a call each, by code. */
export const streamNotices = {
  'uplink-dropped': 'the server takes audio more slowly than real time; some of it is dropped',
  'buffer-overflow': 'more audio came than stream.bufferBytes holds; the oldest is dropped',
  'early-audio': 'audio that comes before the answer is dropped',
  'audio-of-listener': 'audio from a server that only listens is dropped',
} as const;

export type StreamNotice = keyof typeof streamNotices;
