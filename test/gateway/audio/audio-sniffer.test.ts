import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sniffAudio } from '../../../gateway/audio/audio-sniffer.ts';

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url));

describe('what a file is', () => {
  it.each([
    { name: 'tone-44100-stereo.mp3', format: 'mp3' },
    { name: 'tone-22050-vbr.mp3', format: 'mp3' },
    { name: 'tone-16000.flac', format: 'flac' },
    { name: 'tone-16000-flac.ogg', format: 'ogg-flac' },
    { name: 'tone-22050-vorbis.ogg', format: 'ogg-vorbis' },
    { name: 'tone-opus-stereo.ogg', format: 'ogg-opus' },
  ])('$name shows by itself, at the latest with its first frames', ({ name, format }) => {
    const file = fixture(name);
    let length = 0;
    while (sniffAudio(file.subarray(0, length)) === 'more') length++;
    expect(sniffAudio(file.subarray(0, length))).toBe(format);
    expect(length).toBeLessThan(2000);
    expect(sniffAudio(file)).toBe(format);
  });

  it.each([
    { text: '<!doctype html><html>', format: 'unknown' },
    { text: 'RIFF____WAVEfmt ', format: 'wav' },
    { text: 'RIFF____AVI LIST', format: 'unknown' },
    { text: 'ID3\x04\0\0\0\0\0\0\0\0', format: 'mp3' },
    { text: `\xff\xfb\x90\x64${'\0'.repeat(600)}`, format: 'unknown' },
    { text: `\xff\xf1\x50\x80${'\0'.repeat(600)}`, format: 'unknown' },
    { text: `OggS${'\0'.repeat(22)}\x01\x08nothing!`, format: 'unknown' },
  ])('$format: $text', ({ text, format }) => {
    expect(sniffAudio(Buffer.from(text, 'latin1'))).toBe(format);
  });
});
