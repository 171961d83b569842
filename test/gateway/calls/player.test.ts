import { expect, it } from 'vitest';
import { splitPrompts } from '../../../gateway/calls/player.ts';

it.each([
  ['one', ['one']],
  ['#tts[One; two];#href[https://x/a;b]', ['#tts[One; two]', '#href[https://x/a;b]']],
  [' a ; ;b; ', ['a', 'b']],
  ['#ssml[<s>[x]</s>];b', ['#ssml[<s>[x]</s>]', 'b']],
  ['a]b;c', ['a]b', 'c']],
  ['', []],
])('prompts in %j', (text, prompts) => {
  expect(splitPrompts(text)).toEqual(prompts);
});
