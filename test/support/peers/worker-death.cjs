// Preloaded into a gateway (`node --require`): on SIGUSR2 one of its media workers dies, in the way that
// WORKER_DEATH names.
const { openSync } = require('node:fs');
const { BroadcastChannel, isMainThread, workerData } = require('node:worker_threads');

const channel = new BroadcastChannel('callwire-test-death');
channel.unref();
let deaths = 0;

if (isMainThread) {
  process.on('SIGUSR2', () => channel.postMessage(++deaths));
} else if (workerData?.descriptors !== undefined) {
  channel.onmessage = ({ data }) => {
    try {
      // Whoever is first.
      openSync(`death-${data}`, 'wx');
    } catch {
      return;
    }
    setTimeout(() => {
      if (process.env.WORKER_DEATH === 'uncaught') throw new Error('made to fail');
      const hoard = [];
      for (;;) hoard.push(new Array(100_000).fill({ a: hoard.length }));
    });
  };
}
