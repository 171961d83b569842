import { afterEach, describe, expect, it, vi } from 'vitest';

const names = (codecs: readonly { readonly name: string }[]) => codecs.map(({ name }) => name);

afterEach(() => {
  vi.doUnmock('../../codecs/opus-native.ts');
  vi.resetModules();
});

/** The module as it is on a machine where the native module of Opus could not be built. */
async function withoutOpus(): Promise<typeof import('../../gateway/call-codecs.ts')> {
  vi.resetModules();
  vi.doMock('../../codecs/opus-native.ts', async (original) => ({
    ...(await original<typeof import('../../codecs/opus-native.ts')>()),
    opusAvailable: () => false,
    opusUnavailableReason: () => 'Opus is not offered; run `npm rebuild @discordjs/opus`',
  }));
  return import('../../gateway/call-codecs.ts');
}

describe('codecs of calls', () => {
  it('keep the order of the configuration, and L16 is both of its rates', async () => {
    const { callCodecs, missingCodec } = await import('../../gateway/call-codecs.ts');
    expect(names(callCodecs(['pcma', 'l16', 'g722']))).toEqual(['pcma', 'l16', 'l16-8000', 'g722']);
    expect(missingCodec(['pcma', 'l16'])).toBeUndefined();
  });

  it('leave Opus out where it is not there, and say how to mend that', async () => {
    const { callCodecs, missingCodec } = await withoutOpus();
    expect(names(callCodecs(['opus', 'g722', 'pcmu']))).toEqual(['g722', 'pcmu']);
    expect(missingCodec(['opus', 'g722'])).toContain('npm rebuild @discordjs/opus');
    expect(missingCodec(['g722'])).toBeUndefined();
  });

  it('are not none', async () => {
    const { callCodecs } = await withoutOpus();
    expect(() => callCodecs(['opus'])).toThrow(/rtp.codecs has only opus, and Opus is not offered/);
  });
});
