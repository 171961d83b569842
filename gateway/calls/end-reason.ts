import type { SipHeader } from '../../protocol/sip/message.ts';
import type { StreamCloseName } from '../../protocol/stream/messages.ts';

/** Why a call ended, and what each side is told of it: one row a reason, CONTRACT §5 and §8. */
export interface EndReasonRow {
  /** Final response to an INVITE that was not answered yet. */
  readonly sipStatus: number;
  /** Cause of the Reason header (RFC 3326), ITU-T Q.850. */
  readonly q850: number;
  readonly result: 'ANSWERED' | 'BUSY' | 'NOANSWER' | 'FAILED' | 'N/A';
  readonly reason:
    | 'CALLERHANGUP'
    | 'CALLEEHANGUP'
    | 'MANAGERHANGUP'
    | 'CANCEL'
    | 'TIMEOUT'
    | 'GENERALERROR'
    | 'USERNOTFOUND'
    | 'CALLBACKERROR'
    | 'INVALIDSVAMLACTION'
    | 'N/A';
  /** How we close the stream, where it is still open. */
  readonly close: StreamCloseName;
  /** Text of the Reason header and of the log line. */
  readonly text: string;
  /** Who has to mend it, if anybody. */
  readonly fault: 'nobody' | 'caller' | 'server' | 'gateway' | 'operator' | 'network';
}

function row(
  sipStatus: number,
  q850: number,
  dice: readonly [EndReasonRow['result'], EndReasonRow['reason']],
  close: EndReasonRow['close'],
  fault: EndReasonRow['fault'],
  text: string,
): EndReasonRow {
  return { sipStatus, q850, result: dice[0], reason: dice[1], close, fault, text };
}

// biome-ignore format: a table reads as a table
export const endReasons = {
  // Ordinary endings of an answered call.
  callerHangup:    row(487, 16,  ['ANSWERED', 'CALLERHANGUP'],     'callerHangup',  'nobody',   'caller hung up'),
  streamClosed:    row(480, 16,  ['ANSWERED', 'CALLEEHANGUP'],     'normal',        'nobody',   'stream closed by its server'),
  managerHangup:   row(603, 16,  ['ANSWERED', 'MANAGERHANGUP'],    'managerHangup', 'nobody',   'ended over the API'),
  maxDuration:     row(480, 102, ['ANSWERED', 'TIMEOUT'],          'maxDuration',   'nobody',   'maxDuration reached'),
  calleeHangup:    row(480, 16,  ['ANSWERED', 'CALLEEHANGUP'],     'normal',        'nobody',   'called party hung up'),
  hungUp:          row(603, 21,  ['N/A', 'MANAGERHANGUP'],         'managerHangup', 'nobody',   'ended by its application'),
  kicked:          row(480, 16,  ['ANSWERED', 'MANAGERHANGUP'],    'managerHangup', 'nobody',   'put out of the conference'),
  parkOver:        row(480, 102, ['ANSWERED', 'TIMEOUT'],          'maxDuration',   'nobody',   'parked for too long'),
  programmeOver:   row(480, 16,  ['ANSWERED', 'MANAGERHANGUP'],    'managerHangup', 'nobody',   'nothing more to do'),
  // Before the answer.
  cancelled:       row(487, 16,  ['N/A', 'CANCEL'],                'cancel',        'nobody',   'caller gave up before the answer'),
  busy:            row(486, 17,  ['BUSY', 'CALLEEHANGUP'],         'normal',        'nobody',   'stream server answered busy'),
  rejected:        row(603, 21,  ['FAILED', 'CALLEEHANGUP'],       'normal',        'nobody',   'stream server rejected the call'),
  declined:        row(603, 21,  ['FAILED', 'CALLEEHANGUP'],       'normal',        'server',   'stream server declined the upgrade'),
  unreachable:     row(480, 27,  ['FAILED', 'GENERALERROR'],       'normal',        'server',   'stream server unreachable'),
  connectTimeout:  row(480, 102, ['NOANSWER', 'TIMEOUT'],          'normal',        'server',   'stream server did not complete the upgrade in time'),
  answerTimeout:   row(480, 19,  ['NOANSWER', 'TIMEOUT'],          'answerTimeout', 'server',   'stream server did not answer in time'),
  closedEarly:     row(480, 19,  ['FAILED', 'CALLEEHANGUP'],       'normal',        'server',   'stream closed before it answered'),
  violationEarly:  row(502, 111, ['FAILED', 'GENERALERROR'],       'error',         'server',   'stream server broke the protocol before it answered'),
  calleeBusy:      row(486, 17,  ['BUSY', 'CALLEEHANGUP'],         'normal',        'nobody',   'called party is busy'),
  calleeDeclined:  row(603, 21,  ['FAILED', 'CALLEEHANGUP'],       'normal',        'nobody',   'called party declined'),
  noAnswer:        row(480, 19,  ['NOANSWER', 'TIMEOUT'],          'answerTimeout', 'nobody',   'called party did not answer'),
  calleeUnknown:   row(404, 1,   ['FAILED', 'USERNOTFOUND'],       'error',         'server',   'called party is not known there'),
  calleeUnreachable: row(480, 27, ['FAILED', 'GENERALERROR'],      'error',         'network',  'called party unreachable'),
  calleeNoCodec:   row(488, 88,  ['FAILED', 'GENERALERROR'],       'error',         'server',   'no common codec with the called party'),
  noTrunk:         row(404, 3,   ['FAILED', 'GENERALERROR'],       'error',         'operator', 'no trunk for this number'),
  destinationRefused: row(403, 21, ['FAILED', 'GENERALERROR'],     'error',         'operator', 'destination not allowed'),
  callbackFailed:  row(500, 41,  ['FAILED', 'CALLBACKERROR'],      'error',         'server',   'callback failed'),
  conferenceElsewhere: row(503, 41, ['FAILED', 'GENERALERROR'],    'error',         'gateway',  'conference is on another media worker'),
  tooManyHops:     row(483, 25,  ['FAILED', 'GENERALERROR'],       'error',         'operator', 'call goes round in circles'),
  invalidAction:   row(500, 41,  ['FAILED', 'INVALIDSVAMLACTION'], 'error',         'server',   'action not possible here'),
  noRoute:         row(404, 1,   ['FAILED', 'GENERALERROR'],       'error',         'operator', 'no route'),
  endpointRefused: row(403, 21,  ['FAILED', 'GENERALERROR'],       'error',         'operator', 'stream endpoint not allowed'),
  noCodec:         row(488, 88,  ['FAILED', 'GENERALERROR'],       'error',         'caller',   'no common codec'),
  badOffer:        row(400, 100, ['FAILED', 'GENERALERROR'],       'error',         'caller',   'session description not understood'),
  overload:        row(503, 42,  ['FAILED', 'GENERALERROR'],       'error',         'operator', 'too many calls'),
  draining:        row(503, 41,  ['FAILED', 'GENERALERROR'],       'shutdown',      'operator', 'gateway is draining'),
  // Things that go wrong in mid-call.
  idle:            row(480, 102, ['ANSWERED', 'CALLEEHANGUP'],     'idle',          'server',   'nothing from the stream server for too long'),
  streamLost:      row(480, 27,  ['ANSWERED', 'CALLEEHANGUP'],     'error',         'server',   'stream connection lost'),
  violation:       row(502, 111, ['ANSWERED', 'GENERALERROR'],     'error',         'server',   'stream server broke the protocol'),
  rtpTimeout:      row(480, 102, ['ANSWERED', 'CALLERHANGUP'],     'rtpTimeout',    'network',  'no RTP from the caller for too long'),
  legLost:         row(480, 27,  ['ANSWERED', 'CALLERHANGUP'],     'callerHangup',  'network',  'phone lost'),
  calleeLost:      row(480, 27,  ['ANSWERED', 'CALLEEHANGUP'],     'normal',        'network',  'called party lost'),
  transferred:     row(480, 16,  ['ANSWERED', 'CALLEEHANGUP'],     'transferred',   'nobody',   'caller was transferred'),
  replaced:        row(480, 26,  ['ANSWERED', 'CALLEEHANGUP'],     'normal',        'nobody',   'another leg took its place'),
  noAck:           row(480, 102, ['ANSWERED', 'GENERALERROR'],     'error',         'caller',   'caller never acknowledged the answer'),
  mediaFailed:     row(500, 41,  ['FAILED', 'GENERALERROR'],       'error',         'gateway',  'media could not be set up or was lost'),
  shutdown:        row(503, 41,  ['ANSWERED', 'MANAGERHANGUP'],    'shutdown',      'operator', 'gateway shut down'),
  internalError:   row(500, 41,  ['FAILED', 'GENERALERROR'],       'error',         'gateway',  'internal error'),
} as const satisfies Record<string, EndReasonRow>;

export type EndReason = keyof typeof endReasons;

/** The Reason header (RFC 3326) of a final response or a BYE. `detail` is appended to the row's text. */
export function reasonHeader(reason: EndReason, detail?: string): SipHeader {
  const { q850, text } = endReasons[reason];
  const said = detail === undefined ? text : `${text}: ${detail}`;
  // Cut before it is quoted: half an escape at the end would take the closing quote with it.
  const quoted = said
    .slice(0, 200)
    .replace(/[^\x20-\x7e]/g, '?')
    .replace(/["\\]/g, '\\$&');
  return { name: 'Reason', value: `Q.850;cause=${q850};text="${quoted}"` };
}

/** DICE result and reason; an ending after the answer is always ANSWERED, one before it never is. */
export function diceOf(
  reason: EndReason,
  answered: boolean,
): { result: EndReasonRow['result']; reason: EndReasonRow['reason'] } {
  const found: EndReasonRow = endReasons[reason];
  if (answered) return { result: 'ANSWERED', reason: found.reason };
  return { result: found.result === 'ANSWERED' ? 'N/A' : found.result, reason: found.reason };
}

/** What an ending without an answer is counted as, `no-route`; undefined where it is nobody's fault: a caller who
 *  gave up or a busy server refused nothing that anybody has to mend. */
export function refusalCode(reason: EndReason): string | undefined {
  return endReasons[reason].fault === 'nobody' ? undefined : endingCode(reason);
}

/** As metrics write it: `rtp-timeout`. */
export function endingCode(reason: EndReason): string {
  return reason.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
