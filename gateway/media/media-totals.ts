import type { MediaTotals, RtpCounters, StreamCounters } from './media-messages.ts';

/** What the endpoints of a worker counted, added up. */
export type MutableTotals = { -readonly [Key in keyof MediaTotals]: MediaTotals[Key] };

export function noTotals(): MutableTotals {
  return {
    rtpPacketsReceived: 0,
    rtpPacketsSent: 0,
    rtpPacketsLost: 0,
    rtpPacketsDuplicate: 0,
    rtpPacketsLate: 0,
    rtpPacketsIgnored: 0,
    rtpPacketsRefused: 0,
    streamDroppedMs: 0,
    streamFramesDropped: 0,
    streamMarks: 0,
    streamResumes: 0,
    streamFloods: 0,
    streamStuck: 0,
    streamSilences: 0,
    streamMessagesEarly: 0,
    streamMessagesInvalid: 0,
  };
}

export function addRtp(totals: MutableTotals, counters: RtpCounters): void {
  totals.rtpPacketsReceived += counters.packetsReceived;
  totals.rtpPacketsSent += counters.packetsSent;
  totals.rtpPacketsLost += counters.packetsLost;
  totals.rtpPacketsDuplicate += counters.packetsDuplicate;
  totals.rtpPacketsLate += counters.packetsLate;
  totals.rtpPacketsIgnored += counters.packetsIgnored;
  totals.rtpPacketsRefused += counters.packetsRefused;
}

export function addStream(totals: MutableTotals, counters: StreamCounters): void {
  totals.streamDroppedMs += counters.droppedMs;
  totals.streamFramesDropped += counters.framesDropped;
  totals.streamMarks += counters.marks;
  totals.streamResumes += counters.resumes;
  totals.streamFloods += counters.floods;
  totals.streamStuck += counters.stuck;
  totals.streamSilences += counters.silences;
  totals.streamMessagesEarly += counters.messagesEarly;
  totals.streamMessagesInvalid += counters.messagesInvalid;
}
