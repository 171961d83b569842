/** Calls `run` for each SIGINT and SIGTERM, with how many there have been. Undone by the function it returns. */
export function onStopSignal(run: (count: number) => void): () => void {
  let count = 0;
  const receive = () => run(++count);
  process.on('SIGINT', receive);
  process.on('SIGTERM', receive);
  return () => {
    process.off('SIGINT', receive);
    process.off('SIGTERM', receive);
  };
}

/** Calls `run` for each SIGHUP, which elsewhere would end the process. Undone by the function it returns. */
export function onReloadSignal(run: () => void): () => void {
  process.on('SIGHUP', run);
  return () => process.off('SIGHUP', run);
}
