// Nearly always the PCM buffer that all phones of this thread share: a view of it for each packet would be garbage.
let viewed: Uint8Array = new Uint8Array(0);

/** The bytes of the whole buffer that `pcm` lies in; its own begin at `pcm.byteOffset`. */
export function bytesOf(pcm: Int16Array): Uint8Array {
  if (viewed.buffer !== pcm.buffer) viewed = new Uint8Array(pcm.buffer);
  return viewed;
}
