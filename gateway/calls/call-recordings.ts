import type { StartRecording } from '../../protocol/svaml/instructions.ts';
import { GatewayError } from '../errors.ts';
import type { EndpointId } from '../media/media-messages.ts';
import type { RecordingEvent, RecordingWriter } from '../recording/recordings.ts';
import type { Call } from './call.ts';

/** What speech and every codec but Opus have; more would only make files longer. */
const sampleRateHzMax = 16_000;

/** The recordings of one call, one at a time: what its leg says on the left, what it hears on the right. */
export class CallRecordings {
  readonly #call: Call;
  #endpointId: EndpointId | undefined;

  constructor(call: Call) {
    this.#call = call;
  }

  get active(): boolean {
    return this.#endpointId !== undefined;
  }

  /** What cannot begin is told in the log and to those who watch; the call goes on without. */
  start(options: StartRecording['options']): void {
    const call = this.#call;
    const { leg } = call;
    if (leg === undefined || call.media.worker === undefined) return;
    if (this.#endpointId !== undefined) return call.log.warn({}, 'already being recorded');
    const sampleRateHz = Math.min(sampleRateHzMax, leg.sampleRateHz);
    const { destinationUrl, credentials, format, channels } = options;
    let writer: RecordingWriter;
    try {
      writer = call.context.recordings.begin({
        callId: call.callId,
        destination: destinationUrl,
        credentials,
        format,
        channels: channels === 'stereo' ? 2 : 1,
        sampleRateHz,
        events: (event) => call.guard(() => this.#tell(event, options.notificationEvents)),
      });
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      const { message } = error;
      return this.#tell(
        { type: 'failed', stage: 'write', message, kept: undefined },
        options.notificationEvents,
      );
    }
    this.#record(writer, { left: leg.endpointId, layout: channels, sampleRateHz });
  }

  #record(
    writer: RecordingWriter,
    what: { readonly left: EndpointId; readonly layout: 'stereo' | 'mixed'; readonly sampleRateHz: number },
  ): void {
    const { media, happened } = { media: this.#call.media, happened: this.#call };
    const endpointId = media.name('recorder');
    this.#endpointId = endpointId;
    media.opened(endpointId, (event) => {
      if (event.type === 'recorded') return writer.write(event.samples);
      if (event.type !== 'recorderClosed') return;
      if (this.#endpointId === endpointId) this.#endpointId = undefined;
      writer.finish();
      media.closed(endpointId);
    });
    media.send({ type: 'openRecorder', endpointId, ...what });
    happened.happened('recording.started', {});
  }

  pause(): void {
    if (this.#endpointId !== undefined)
      this.#call.media.send({ type: 'pauseRecorder', endpointId: this.#endpointId });
  }

  resume(): void {
    if (this.#endpointId !== undefined)
      this.#call.media.send({ type: 'resumeRecorder', endpointId: this.#endpointId });
  }

  stop(): void {
    const endpointId = this.#endpointId;
    this.#endpointId = undefined;
    if (endpointId !== undefined) this.#call.media.send({ type: 'closeRecorder', endpointId });
  }

  #tell(event: RecordingEvent, notifies: boolean): void {
    const call = this.#call;
    const { type, ...fields } = event;
    call.log[type === 'failed' ? 'warn' : 'info'](fields, `recording ${type}`);
    call.happened(`recording.${type}`, fields);
    if (!notifies || call.owner.trusted) return;
    const { applicationKey, custom } = call.owner;
    call.context.callbacks.tell(applicationKey, {
      event: 'notify',
      callid: call.callId,
      version: 1,
      applicationKey,
      custom,
      type: `recording_${type}`,
      ...(event.type === 'finished' && { destination: event.path, duration: event.durationMs / 1000 }),
      ...(event.type === 'available' && { destination: event.url }),
      ...(event.type === 'failed' && { errorMsg: event.message }),
    });
  }
}
