import { describe, expect, test } from 'vitest';
import type { WorkerCounters } from '../../gateway/media/media-messages.ts';
import { noTotals } from '../../gateway/media/media-totals.ts';
import { createMetrics, type Metrics } from '../../gateway/metrics.ts';

const worker = (totals: Partial<WorkerCounters> = {}): WorkerCounters => ({
  endpoints: 0,
  latenessMsBounds: [1, 2, 5],
  latenessMsBuckets: [0, 0, 0, 0],
  latenessMsSum: 0,
  framesSkipped: 0,
  portsInUse: 0,
  ...noTotals(),
  ...totals,
});

/** Lines of the page that begin with `start`. */
const lines = async (metrics: Metrics, start: string): Promise<string[]> =>
  (await metrics.text()).split('\n').filter((line) => line.startsWith(start));

describe('UDP that the system does not take', () => {
  test('is counted by its code, of SIP and of every worker; codes that nobody knows are one', async () => {
    const metrics = createMetrics();
    metrics.udpFailed('EPERM');
    metrics.udpFailed('EWHATEVER');
    metrics.workers([worker({ udpErrors: { EPERM: 2 } })]);
    metrics.workers([worker({ udpErrors: { EPERM: 5, ENOBUFS: 1 } })]);
    expect((await lines(metrics, 'callwire_udp_errors_total')).toSorted()).toEqual([
      'callwire_udp_errors_total{code="ENOBUFS"} 1',
      'callwire_udp_errors_total{code="EPERM"} 6',
      'callwire_udp_errors_total{code="other"} 1',
    ]);
  });
});

describe('the log', () => {
  test('counts its lines that nobody read', async () => {
    let dropped = 3;
    const metrics = createMetrics({ logLinesDropped: () => dropped });
    expect(await lines(metrics, 'callwire_log_lines_dropped_total')).toEqual([
      'callwire_log_lines_dropped_total 3',
    ]);
    dropped = 5;
    expect(await lines(metrics, 'callwire_log_lines_dropped_total')).toEqual([
      'callwire_log_lines_dropped_total 5',
    ]);
  });
});

describe('metrics', () => {
  test('time callbacks', async () => {
    const metrics = createMetrics();
    metrics.callbackTried('ice', 'taken', 0.03);
    metrics.callbackTried('dice', 'failed', 5.1);
    expect(await lines(metrics, 'callwire_callback_seconds_sum')).toEqual([
      'callwire_callback_seconds_sum{event="ice",outcome="taken"} 0.03',
      'callwire_callback_seconds_sum{event="dice",outcome="failed"} 5.1',
    ]);
  });

  test('count calls', async () => {
    const metrics = createMetrics();
    metrics.callStarted('inbound');
    metrics.callStarted('inbound');
    metrics.callEnded({ direction: 'inbound', result: 'ANSWERED', reason: 'CALLERHANGUP' });
    expect(await lines(metrics, 'callwire_calls_')).toEqual([
      'callwire_calls_active 1',
      'callwire_calls_total{direction="inbound",result="ANSWERED",reason="CALLERHANGUP"} 1',
    ]);
  });

  test('count SIP messages by method, and what a stranger made up as other', async () => {
    const metrics = createMetrics();
    metrics.sipMessage('INVITE', 'in');
    metrics.sipMessage('INVITE', 'out');
    metrics.sipMessage('BREW', 'in');
    metrics.sipMessage('__proto__', 'in');
    expect(await lines(metrics, 'callwire_sip_messages_total')).toEqual([
      'callwire_sip_messages_total{method="INVITE",direction="in"} 1',
      'callwire_sip_messages_total{method="INVITE",direction="out"} 1',
      'callwire_sip_messages_total{method="other",direction="in"} 2',
    ]);
  });

  test('count drops and refusals, with an end to the labels', async () => {
    const metrics = createMetrics();
    for (let code = 0; code < 1_000; code++) metrics.counted(`code-${code}`);
    const counted = await lines(metrics, 'callwire_refused_total');
    expect(counted).toHaveLength(301);
    expect(counted[0]).toBe('callwire_refused_total{reason="code-0"} 1');
    expect(counted).toContain('callwire_refused_total{reason="other"} 700');
  });

  test('show set-up times as a histogram', async () => {
    const metrics = createMetrics();
    metrics.setupSeconds(0.03);
    metrics.setupSeconds(40);
    const shown = await lines(metrics, 'callwire_setup_seconds');
    expect(shown).toContain('callwire_setup_seconds_bucket{le="0.02"} 0');
    expect(shown).toContain('callwire_setup_seconds_bucket{le="0.05"} 1');
    expect(shown).toContain('callwire_setup_seconds_bucket{le="+Inf"} 2');
    expect(shown).toContain('callwire_setup_seconds_sum 40.03');
  });

  test('have a help and a type for each name, and none twice', async () => {
    const metrics = createMetrics();
    metrics.workers([worker()]);
    const text = await metrics.text();
    const typed = [...text.matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1]);
    const helped = [...text.matchAll(/^# HELP (\S+) /gm)].map((match) => match[1]);
    expect(helped).toEqual(typed);
    expect(new Set(typed).size).toBe(typed.length);
    for (const line of text.split('\n')) expect(line).toMatch(/^$|^#|^\w+(\{[^}]*\})? \S+$/);
    expect(metrics.contentType).toContain('text/plain; version=0.0.4');
  });

  test('of the process are there where asked for', async () => {
    expect(await lines(createMetrics(), 'process_cpu')).toEqual([]);
    expect(await lines(createMetrics({ process: true }), 'process_cpu_seconds_total')).toHaveLength(1);
  });
});

describe('the totals of the media workers', () => {
  test('say how many use an accelerator', async () => {
    const metrics = createMetrics();
    metrics.workers([worker({ accelerator: 'koffi' }), worker({ accelerator: 'koffi' })]);
    metrics.workers([worker({ accelerator: 'koffi' }), worker({ accelerator: 'none' }), worker()]);
    expect(await lines(metrics, 'callwire_media_accelerator')).toEqual([
      'callwire_media_accelerator{name="koffi"} 1',
      'callwire_media_accelerator{name="none"} 1',
    ]);
  });

  test('are added up over workers', async () => {
    const metrics = createMetrics();
    metrics.workers(
      [
        worker({
          rtpPacketsReceived: 10,
          rtpPacketsSent: 20,
          rtpPacketsLost: 1,
          endpoints: 2,
          portsInUse: 4,
        }),
        worker({
          rtpPacketsReceived: 5,
          rtpPacketsDuplicate: 8,
          rtpPacketsLate: 9,
          rtpPacketsIgnored: 3,
          rtpPacketsRefused: 11,
          streamDroppedMs: 40,
          streamFramesDropped: 12,
          streamMessagesEarly: 13,
          streamMessagesInvalid: 14,
          streamMarks: 15,
          streamResumes: 16,
          streamFloods: 17,
          streamStuck: 18,
          streamSilences: 19,
          framesSkipped: 2,
          overloaded: true,
        }),
      ],
      [7],
    );
    const shown = [
      ...(await lines(metrics, 'callwire_rtp')),
      ...(await lines(metrics, 'callwire_stream')),
      ...(await lines(metrics, 'callwire_frames')),
      ...(await lines(metrics, 'callwire_worker')),
    ];
    expect(shown).toEqual([
      'callwire_rtp_packets_total{direction="in"} 15',
      'callwire_rtp_packets_total{direction="out"} 20',
      'callwire_rtp_lost_total 1',
      'callwire_rtp_ignored_total 3',
      'callwire_rtp_duplicate_total 8',
      'callwire_rtp_late_total 9',
      'callwire_rtp_refused_total 11',
      'callwire_rtp_ports_used{worker="0"} 4',
      'callwire_rtp_ports_used{worker="1"} 0',
      'callwire_stream_frames_dropped_total 12',
      'callwire_stream_early_total 13',
      'callwire_stream_invalid_total 14',
      'callwire_stream_dropped_ms_total 40',
      'callwire_stream_marks_total 15',
      'callwire_stream_resumes_total 16',
      'callwire_stream_floods_total 17',
      'callwire_stream_stuck_total 18',
      'callwire_stream_silences_total 19',
      'callwire_frames_skipped_total 2',
      'callwire_worker_endpoints{worker="0"} 2',
      'callwire_worker_endpoints{worker="1"} 0',
      'callwire_worker_overloaded{worker="0"} 0',
      'callwire_worker_overloaded{worker="1"} 1',
      'callwire_worker_calls{worker="0"} 7',
      'callwire_worker_calls{worker="1"} 0',
    ]);
  });

  test('go on where they were when a worker was restarted', async () => {
    const metrics = createMetrics();
    const late = { latenessMsBuckets: [3, 2, 0, 1], latenessMsSum: 14 };
    metrics.workers([worker({ rtpPacketsSent: 100, ...late })]);
    metrics.workers([worker({ rtpPacketsSent: 130, ...late })]);
    metrics.workers([worker({ rtpPacketsSent: 20, latenessMsBuckets: [1, 0, 0, 0], latenessMsSum: 0.5 })]);
    expect(await lines(metrics, 'callwire_rtp_packets_total')).toEqual([
      'callwire_rtp_packets_total{direction="in"} 0',
      'callwire_rtp_packets_total{direction="out"} 150',
    ]);
    expect(await lines(metrics, 'callwire_playout_late_ms')).toEqual([
      'callwire_playout_late_ms_bucket{le="1"} 4',
      'callwire_playout_late_ms_bucket{le="2"} 6',
      'callwire_playout_late_ms_bucket{le="5"} 6',
      'callwire_playout_late_ms_bucket{le="+Inf"} 7',
      'callwire_playout_late_ms_sum 14.5',
      'callwire_playout_late_ms_count 7',
    ]);
  });

  test('never shrink when a lost packet turns up after all', async () => {
    const metrics = createMetrics();
    for (const rtpPacketsLost of [10, 8, 10, 11])
      metrics.workers([worker({ rtpPacketsSent: 5, rtpPacketsLost })]);
    expect(await lines(metrics, 'callwire_rtp_lost_total')).toEqual(['callwire_rtp_lost_total 11']);
  });
});
