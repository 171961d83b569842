import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../clock.ts';
import { type EngineSettings, RecordingEngine } from './recording-engine.ts';
import type { FromEngine, ToEngine } from './recording-messages.ts';

if (parentPort !== null) {
  const port = parentPort;
  const engine = new RecordingEngine({
    settings: workerData as EngineSettings,
    clock: systemClock,
    emit: (message: FromEngine) => port.postMessage(message),
  });
  port.on('message', (message: ToEngine) => engine.handle(message));
  void engine.start();
}
