import { describe, expect, it } from 'vitest';
import { AudioError, type AudioSource, parsePrompt } from '../../../gateway/audio/audio-source.ts';

describe('a prompt of the API', () => {
  const prompts: { prompt: string; source: AudioSource }[] = [
    { prompt: '#tts[Hello,\n  world]', source: { kind: 'speech', text: 'Hello, world' } },
    { prompt: '#TTS[a [b] c]', source: { kind: 'speech', text: 'a [b] c' } },
    {
      prompt:
        '#ssml[<speak>One<break time="1s"/>two &amp; <emphasis level="strong">three</emphasis><!-- x --></speak>]',
      source: { kind: 'speech', text: 'One. two & three' },
    },
    { prompt: '#href[https://a.example/x.mp3]', source: { kind: 'url', url: 'https://a.example/x.mp3' } },
    { prompt: ' https://a.example/x.mp3 ', source: { kind: 'url', url: 'https://a.example/x.mp3' } },
    { prompt: '#ringback[SE]', source: { kind: 'tone', name: 'ringback', country: 'se' } },
    { prompt: '#ringback[]', source: { kind: 'tone', name: 'ringback' } },
    { prompt: '#tone[busy]', source: { kind: 'tone', name: 'busy' } },
    { prompt: 'beep', source: { kind: 'tone', name: 'beep' } },
    { prompt: 'Music1', source: { kind: 'tone', name: 'music' } },
  ];
  it.each(prompts)('$prompt', ({ prompt, source }) => {
    expect(parsePrompt(prompt)).toEqual(source);
  });

  it.each([
    '',
    'nothing',
    '#tts[ ]',
    '#tts[open',
    '#other[x]',
    '#ringback[swe]',
    '#ssml[<speak/>]',
    'x'.repeat(9000),
  ])('is refused as %j', (prompt) => {
    expect(() => parsePrompt(prompt)).toThrow(AudioError);
    expect(() => parsePrompt(prompt)).toThrow(expect.objectContaining({ code: 'audio-malformed' }));
  });

  it('of hostile tags is read in no time', () => {
    const startedMs = performance.now();
    for (const part of ['<', '<!--', '<break', '&amp', '<p ']) {
      try {
        parsePrompt(`#ssml[${part.repeat(4900 / part.length)}]`);
      } catch {}
    }
    expect(performance.now() - startedMs).toBeLessThan(1000);
  });
});
