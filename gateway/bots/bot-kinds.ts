/** What a bot does with a call: says back what it hears, sends a tone, plays a WAV and hangs up, writes a WAV. */
export const botKinds = ['echo', 'tone', 'play', 'record'] as const;

export type BotKind = (typeof botKinds)[number];
