import { expect, it } from 'vitest';
import { Aborted } from '../../../gateway/audio/abort.ts';
import { WaitingSlots } from '../../../gateway/audio/waiting-slots.ts';

const nobody = new AbortController().signal;

it('lets so many in, and the next when one leaves', async () => {
  const slots = new WaitingSlots(1, 1, 'audio.downloads');
  const first = await slots.take(nobody);
  const second = slots.take(nobody);
  await expect(slots.take(nobody)).rejects.toMatchObject({
    code: 'audio-busy',
    message: expect.stringContaining('audio.downloads'),
  });
  first();
  first();
  const leave = await second;
  const third = slots.take(nobody);
  leave();
  await third;
});

it('lets nobody wait for ever, and gives the place of who left to the next', async () => {
  const slots = new WaitingSlots(1, 5, 'audio.decoders', 20);
  const first = await slots.take(nobody);
  const hangUp = new AbortController();
  const gone = slots.take(hangUp.signal);
  const late = slots.take(nobody);
  hangUp.abort();
  await expect(gone).rejects.toBeInstanceOf(Aborted);
  await expect(late).rejects.toMatchObject({ code: 'audio-busy' });
  first();
  (await slots.take(nobody))();
});
