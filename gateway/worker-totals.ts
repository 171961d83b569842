import { Counter, Gauge, type Registry } from 'prom-client';
import type { WorkerCounters } from './media/media-messages.ts';

/** Turns the workers' own totals into metrics that only ever grow: a restarted worker begins at zero, the metrics
 *  go on where they were. */
export class WorkerTotals {
  readonly #last: WorkerCounters[] = [];
  readonly #udpFailed: (code: string, count: number) => void;
  readonly #packets: Counter<'direction'>;
  readonly #counters: readonly { readonly metric: Counter; read(from: WorkerCounters): number }[];
  readonly #gauges: readonly { readonly metric: Gauge<'worker'>; read(from: WorkerCounters): number }[];
  readonly #calls: Gauge<'worker'>;
  readonly #accelerators: Gauge<'name'>;
  #bounds: readonly number[] = [];
  #buckets: number[] = [];
  #latenessMsSum = 0;

  /** `udpFailed` takes what UDP sends of the workers failed with. */
  constructor(registry: Registry, udpFailed: (code: string, count: number) => void) {
    const registers = [registry];
    this.#udpFailed = udpFailed;
    const counter = (name: string, help: string, read: (from: WorkerCounters) => number) => ({
      metric: new Counter({ name, help, registers }),
      read,
    });
    const gauge = (name: string, help: string, read: (from: WorkerCounters) => number) => ({
      metric: new Gauge({ name, help, labelNames: ['worker'] as const, registers }),
      read,
    });
    this.#packets = new Counter({
      name: 'callwire_rtp_packets_total',
      help: 'RTP packets received and sent.',
      labelNames: ['direction'],
      registers,
    });
    this.#counters = [
      counter('callwire_rtp_lost_total', 'RTP packets that never came.', (from) => from.rtpPacketsLost),
      counter(
        'callwire_rtp_ignored_total',
        'Datagrams on RTP ports that were no RTP, of an unknown payload type or from a wrong source.',
        (from) => from.rtpPacketsIgnored,
      ),
      counter(
        'callwire_rtp_duplicate_total',
        'RTP packets that had come before; dropped.',
        (from) => from.rtpPacketsDuplicate,
      ),
      counter(
        'callwire_rtp_late_total',
        'RTP packets that came after their place was given up; dropped.',
        (from) => from.rtpPacketsLate,
      ),
      counter(
        'callwire_rtp_refused_total',
        'SRTP packets with a wrong tag, or that had come before; dropped.',
        (from) => from.rtpPacketsRefused,
      ),
      counter(
        'callwire_stream_frames_dropped_total',
        '20 ms messages not sent because the stream server did not take them.',
        (from) => from.streamFramesDropped,
      ),
      counter(
        'callwire_stream_early_total',
        'Binary messages of stream servers that came before their answer; dropped.',
        (from) => from.streamMessagesEarly,
      ),
      counter(
        'callwire_stream_invalid_total',
        'Text messages of stream servers that were no known command, or broken; ignored.',
        (from) => from.streamMessagesInvalid,
      ),
      counter(
        'callwire_stream_dropped_ms_total',
        'Audio from stream servers dropped for want of room, in ms.',
        (from) => from.streamDroppedMs,
      ),
      counter(
        'callwire_stream_marks_total',
        'Marks reported to stream servers, as played or as cleared.',
        (from) => from.streamMarks,
      ),
      counter(
        'callwire_stream_resumes_total',
        'Lost stream connections that another one replaced.',
        (from) => from.streamResumes,
      ),
      counter(
        'callwire_stream_floods_total',
        'Stream connections closed with 1008 for more texts and pings than stream.messagesPerSecond.',
        (from) => from.streamFloods,
      ),
      counter(
        'callwire_stream_stuck_total',
        'Stream connections ended because their server took no audio, or too slowly, for 30 s.',
        (from) => from.streamStuck,
      ),
      counter(
        'callwire_stream_silences_total',
        'Stream connections lost without a word: nothing within stream.pingTimeout, no answer to a ping either.',
        (from) => from.streamSilences,
      ),
      counter(
        'callwire_frames_skipped_total',
        '20 ms frames not sent because the worker was too late for them.',
        (from) => from.framesSkipped,
      ),
    ];
    this.#gauges = [
      gauge('callwire_worker_endpoints', 'RTP and stream endpoints open.', (from) => from.endpoints),
      gauge('callwire_worker_overloaded', '1 while the worker runs late and gets no new calls.', (from) =>
        Number(from.overloaded ?? false),
      ),
      gauge('callwire_rtp_ports_used', 'RTP ports bound.', (from) => from.portsInUse),
    ];
    this.#calls = new Gauge({
      name: 'callwire_worker_calls',
      help: 'Calls placed on a media worker.',
      labelNames: ['worker'],
      registers,
    });
    this.#accelerators = new Gauge({
      name: 'callwire_media_accelerator',
      help: 'Media workers by what they do their input and output with: koffi is plain system calls.',
      labelNames: ['name'],
      registers,
    });
  }

  #countAccelerators(counters: readonly WorkerCounters[]): void {
    this.#accelerators.reset();
    for (const { accelerator } of counters)
      if (accelerator !== undefined) this.#accelerators.inc({ name: accelerator });
  }

  /** `calls` may be shorter than `counters`, or absent. */
  take(counters: readonly WorkerCounters[], calls: readonly number[] = []): void {
    this.#countAccelerators(counters);
    counters.forEach((now, worker) => {
      this.#takeOne(now, worker);
      this.#calls.set({ worker }, calls[worker] ?? 0);
    });
  }

  #takeOne(now: WorkerCounters, worker: number): void {
    const last = this.#last[worker];
    const before = last !== undefined && !restarted(last, now) ? last : undefined;
    const grown = (read: (from: WorkerCounters) => number) =>
      Math.max(0, read(now) - (before === undefined ? 0 : read(before)));
    this.#packets.inc(
      { direction: 'in' },
      grown((from) => from.rtpPacketsReceived),
    );
    this.#packets.inc(
      { direction: 'out' },
      grown((from) => from.rtpPacketsSent),
    );
    for (const { metric, read } of this.#counters) metric.inc(grown(read));
    for (const { metric, read } of this.#gauges) metric.set({ worker }, read(now));
    for (const code of Object.keys(now.udpErrors ?? {}))
      this.#udpFailed(
        code,
        grown((from) => from.udpErrors?.[code] ?? 0),
      );
    this.#bounds = now.latenessMsBounds;
    this.#buckets = now.latenessMsBuckets.map(
      (_, index) => (this.#buckets[index] ?? 0) + grown((from) => from.latenessMsBuckets[index] ?? 0),
    );
    this.#latenessMsSum += grown((from) => from.latenessMsSum);
    // The count of lost packets may shrink: one that came late was not lost after all (RFC 3550 A.3).
    const lostMax = Math.max(now.rtpPacketsLost, before?.rtpPacketsLost ?? 0);
    this.#last[worker] = { ...now, rtpPacketsLost: lostMax };
  }

  /** `callwire_playout_late_ms`, written out here because the workers count in buckets already and prom-client
   *  takes single observations only. */
  latenessText(): string {
    const name = 'callwire_playout_late_ms';
    const lines = [
      `# HELP ${name} How late the media workers' ticks ran, in ms.`,
      `# TYPE ${name} histogram`,
    ];
    let below = 0;
    this.#bounds.forEach((bound, index) => {
      below += this.#buckets[index] ?? 0;
      lines.push(`${name}_bucket{le="${bound}"} ${below}`);
    });
    const count = this.#buckets.reduce((sum, counted) => sum + counted, 0);
    lines.push(
      `${name}_bucket{le="+Inf"} ${count}`,
      `${name}_sum ${this.#latenessMsSum}`,
      `${name}_count ${count}`,
    );
    return `${lines.join('\n')}\n`;
  }
}

/** Totals never shrink while a worker lives. */
function restarted(last: WorkerCounters, now: WorkerCounters): boolean {
  return (
    now.latenessMsSum < last.latenessMsSum ||
    now.rtpPacketsReceived < last.rtpPacketsReceived ||
    now.rtpPacketsSent < last.rtpPacketsSent ||
    now.framesSkipped < last.framesSkipped ||
    now.rtpPacketsIgnored < last.rtpPacketsIgnored
  );
}
