import type {
  EndpointId,
  MediaCommand,
  MediaEvent,
  RtpCounters,
  StreamCounters,
  WorkerCounters,
} from './media-messages.ts';

/** The control plane's only way to the media workers. */
export interface MediaPool {
  /** Resolves when every worker runs. */
  start(): Promise<void>;
  /** A place for the endpoints of one call, or of calls that may be bridged: all on the worker with the fewest. */
  openGroup(receive: (event: MediaEvent) => void): MediaGroup;
  report(): Promise<MediaReport>;
  /** Closes what is still open and stops the workers. */
  close(): Promise<void>;
}

export interface MediaGroup {
  readonly worker: number;
  send(command: MediaCommand): void;
  /** No event is delivered after this; endpoints that are still open are closed. */
  release(): void;
}

export interface MediaReport {
  readonly rtp: ReadonlyMap<EndpointId, RtpCounters>;
  readonly streams: ReadonlyMap<EndpointId, StreamCounters>;
  readonly workers: readonly WorkerCounters[];
}
