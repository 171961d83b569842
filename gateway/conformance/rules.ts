import { baseCommandNames, commandSchemas } from '../../protocol/stream/message-schemas.ts';
import { streamSampleRatesHz } from '../../protocol/stream/messages.ts';
import type { ConformanceTiming } from './conformance-call.ts';
import { binaryMessageBytesMax } from './conformance-client.ts';
import type { Evidence, ScenarioName } from './scenarios.ts';
import {
  asUsual,
  count,
  endText,
  everyCall,
  extensionOfCommand,
  fail,
  fieldProblem,
  firstDefined,
  isHangup,
  isKnown,
  isOdd,
  ms,
  onAnswered,
  onCall,
  onEvery,
  onEveryEnd,
  pass,
  quoted,
  shown,
  skip,
  type Verdict,
} from './verdicts.ts';

export interface Rule {
  readonly id: string;
  readonly title: string;
  readonly expected: string;
  /** Scenarios besides `plain` that it judges. Those without any look at every call there was. */
  readonly scenarios: readonly ScenarioName[];
  /** Runs only where it is asked for, as it takes long. */
  readonly long?: true;
  judge(evidence: Evidence, timing: ConformanceTiming): Verdict;
}

/** Sound that is long enough to compare. */
const comparedMsMin = 400;
const audibleMsMin = 20;
const factorMax = 3;

export const rules: readonly Rule[] = [
  {
    id: 'R1',
    title: 'accepts the upgrade',
    expected: 'HTTP 101 with a right Sec-WebSocket-Accept, no extension or subprotocol unasked for',
    scenarios: [],
    judge: ({ plain }) => {
      if (plain === undefined) return skip('not tried');
      const { upgrade } = plain;
      return upgrade.accepted ? pass(`101 after ${ms(upgrade.tookMs)}`) : fail(upgrade.why);
    },
  },
  {
    id: 'R2',
    title: 'replies to connect',
    expected: 'one of answer, busy, reject within 10 s',
    scenarios: [],
    judge: ({ plain }, { replyMs }) =>
      onCall(plain, (call) => {
        if (call.reply !== undefined) return pass(`${call.reply} after ${ms(call.replyMs ?? 0)}`);
        const said = call.said[0];
        const instead = said === undefined ? 'nothing' : shown(said);
        return fail(call.early === undefined ? `${instead} within ${ms(replyMs)}` : endText(call.early));
      }),
  },
  {
    id: 'R3',
    title: 'sends no audio before its reply',
    expected: 'the reply first, then binary messages',
    scenarios: [],
    judge: (evidence) =>
      onEvery(evidence, (call) => {
        const early =
          call.replies[0]?.audioBefore ?? (call.reply === undefined && call.audioBytes > 0 ? 1 : 0);
        return early > 0 ? `${count(early, 'binary message')} before the reply` : undefined;
      }),
  },
  {
    id: 'R4',
    title: 'sends whole samples',
    expected: 'an even number of bytes by the time it falls silent',
    scenarios: [],
    judge: (evidence, { settleMs }) =>
      onEvery(evidence, (call) => {
        // While it speaks, half a sample may wait for its other half.
        const isOver = (call.quietMs() ?? 0) >= settleMs * 0.8;
        return isOver && call.audioBytes % 2 === 1 ? `${call.audioBytes} bytes in all` : undefined;
      }),
  },
  {
    id: 'R5',
    title: 'plays at the rate that it was told',
    expected: `as much sound at 48000 as at 8000 Hz, within a factor of ${factorMax}`,
    scenarios: ['rates'],
    judge: ({ rates }) =>
      onCall(rates.get(8_000), (slow) =>
        onCall(rates.get(48_000), (fast) => {
          const seen = `${ms(slow.audioMs)} of sound at 8000 Hz, ${ms(fast.audioMs)} at 48000 Hz`;
          const [least, most] = [slow.audioMs, fast.audioMs].sort((a, b) => a - b) as [number, number];
          if (most < comparedMsMin || least < audibleMsMin) return skip(`${seen}: too little to compare`);
          return most / least <= factorMax ? pass(seen) : fail(seen);
        }),
      ),
  },
  {
    id: 'R6',
    title: 'ignores fields and events that it does not know',
    expected: 'the same reply to a connect with more fields; the call goes on after an unknown event',
    scenarios: ['unknown'],
    judge: (evidence) => asUsual(evidence, evidence.unknown),
  },
  {
    id: 'R7',
    title: 'takes fragmented messages and answers pings',
    expected: 'the same reply to a connect in three frames; a pong with the same payload for every ping',
    scenarios: ['fragmented'],
    judge: (evidence) => {
      const usual = asUsual(evidence, evidence.fragmented);
      if (usual.outcome === 'fail') return usual;
      const silent = everyCall(evidence).find(({ pongs }) => pongs === false);
      return silent === undefined ? usual : fail('a ping without a pong');
    },
  },
  {
    id: 'R8',
    title: 'takes every sample rate',
    expected: `the same reply at ${streamSampleRatesHz.join(', ')} Hz`,
    scenarios: ['rates'],
    judge: (evidence) => {
      const verdicts = [...evidence.rates].map(([rateHz, call]) => ({ rateHz, ...asUsual(evidence, call) }));
      const failed = verdicts.filter(({ outcome }) => outcome === 'fail');
      if (failed.length > 0)
        return fail(failed.map(({ rateHz, seen }) => `at ${rateHz} Hz: ${seen}`).join('; '));
      const judged = verdicts.filter(({ outcome }) => outcome === 'pass');
      return judged.length > 0 ? pass(judged[0]!.seen) : skip(verdicts[0]?.seen ?? 'not tried');
    },
  },
  {
    id: 'R9',
    title: 'answers a close',
    expected: 'a close frame within 5 s',
    scenarios: [],
    judge: ({ plain }, { closeMs }) =>
      onCall(plain, (call) => {
        if (call.closedBack === undefined) return skip(call.early ? endText(call.early) : 'not tried');
        if (!call.closedBack) return fail(`nothing within ${ms(closeMs)}`);
        return call.end?.by === 'server'
          ? pass(endText(call.end))
          : fail('the connection cut without a close frame');
      }),
  },
  {
    id: 'R10',
    title: 'takes odd header names and values',
    expected: 'the same reply where callHeaders and sipHeaders hold rare characters, and command comes last',
    scenarios: ['headers'],
    judge: (evidence) => asUsual(evidence, evidence.headers),
  },
  {
    id: 'R11',
    title: 'keeps text messages short',
    expected: 'at most 64 KiB',
    scenarios: [],
    judge: (evidence) =>
      onEveryEnd(evidence, ({ code, message }) => code === 1009 && message.includes('text')),
  },
  {
    id: 'R12',
    title: 'sends commands that exist',
    expected: `text messages that are JSON objects with "command", one of ${Object.keys(commandSchemas).join(', ')}`,
    scenarios: ['extended'],
    judge: (evidence) =>
      onEvery(evidence, (call) => {
        const wrong = call.said.find(({ fields }) => !isKnown(fields?.command));
        return wrong && shown(wrong);
      }),
  },
  {
    id: 'R13',
    title: 'keeps a silent call alive',
    expected: 'audio or a heartbeat at least every 60 s',
    scenarios: ['idle'],
    long: true,
    judge: ({ idle, idleGapMs }, { idleMs }) =>
      onAnswered(idle, (call) => {
        if (call.early !== undefined) return skip(endText(call.early));
        const seen = `at most ${ms(idleGapMs ?? 0)} of silence`;
        return (idleGapMs ?? 0) <= idleMs ? pass(seen) : fail(`nothing for ${ms(idleGapMs ?? 0)}`);
      }),
  },
  {
    id: 'R14',
    title: 'keeps RFC 6455',
    expected: 'frames that are not masked, with known opcodes, no reserved bits, UTF-8 text',
    scenarios: [],
    judge: (evidence) => onEveryEnd(evidence, ({ code }) => code !== 1009),
  },
  {
    id: 'R15',
    title: 'asks only for extensions that were offered',
    expected: '"extensions" of answer out of those of connect',
    scenarios: ['extended'],
    judge: (evidence) =>
      onEvery(evidence, (call) => {
        const wanted = call.replies[0]?.fields?.extensions;
        const others = Array.isArray(wanted) ? wanted.filter((name) => !call.offered.includes(name)) : [];
        return others.length > 0 ? `${others.map(quoted).join(', ')}, not offered` : undefined;
      }),
  },
  {
    id: 'R16',
    title: 'takes the events that it asked for',
    expected: 'the call goes on after one of each event, marks of unknown names among them',
    scenarios: ['extended'],
    judge: ({ extended }) =>
      onAnswered(extended, (call) => {
        if (call.granted.length === 0) return skip('asked for no extensions');
        const { early } = call;
        const seen = `asked for ${call.granted.join(', ')}`;
        if (early === undefined) return pass(seen);
        // A menu may well end at a digit.
        return isHangup(early) ? pass(`${seen}; ${endText(early)}`) : fail(endText(early));
      }),
  },
  {
    id: 'R17',
    title: 'fills in its commands rightly',
    expected: 'fields of the type and range that the command wants',
    scenarios: ['extended'],
    judge: (evidence) => onEvery(evidence, (call) => firstDefined(call.said.map(fieldProblem))),
  },
  {
    id: 'R18',
    title: 'replies once',
    expected: 'one answer, busy or reject a call',
    scenarios: ['extended'],
    judge: (evidence) =>
      onEvery(evidence, ({ replies }) =>
        replies.length > 1 ? replies.map(({ fields }) => String(fields?.command)).join(', then ') : undefined,
      ),
  },
  {
    id: 'R19',
    title: 'sends commands of an extension only where it is offered',
    expected: `to a gateway that offers none: ${baseCommandNames.join(', ')}`,
    scenarios: ['extended'],
    judge: (evidence) =>
      onEvery(evidence, (call) => {
        const wrong = call.said.find(({ fields }) => {
          const extension = extensionOfCommand(fields?.command);
          return extension !== undefined && !call.offered.includes(extension);
        });
        return wrong && shown(wrong);
      }),
  },
  {
    id: 'R20',
    title: 'takes calls side by side',
    expected: 'a reply (busy will do) to a second call while the first goes on',
    scenarios: ['sideBySide'],
    judge: (evidence) => {
      const { second, plain } = evidence;
      const first = asUsual(evidence, evidence.first);
      if (first.outcome !== 'pass' || second === undefined) return first;
      // Declining is a way to say no.
      if (!second.upgrade.accepted && second.upgrade.declinedWith !== undefined)
        return pass(second.upgrade.why);
      if (!second.upgrade.accepted) return fail(second.upgrade.why);
      if (second.end?.by === 'violation') return skip('it broke RFC 6455');
      if (second.reply === undefined) return fail('no reply to the second call');
      return isOdd(second.early, plain)
        ? fail(`the second: ${endText(second.early!)}`)
        : pass(`${second.reply} to the second`);
    },
  },
  {
    id: 'R21',
    title: 'outlives callers that give up',
    expected: 'the same reply as ever after a call that was cancelled and connections that were lost',
    scenarios: ['losses'],
    judge: (evidence) => {
      const { afterLosses } = evidence;
      if (evidence.plain?.reply !== undefined && afterLosses?.upgrade.accepted === false)
        return fail(afterLosses.upgrade.why);
      return asUsual(evidence, afterLosses);
    },
  },
  {
    id: 'R22',
    title: 'keeps binary messages within the buffer',
    expected: `at most ${binaryMessageBytesMax} bytes`,
    scenarios: [],
    judge: (evidence) =>
      onEveryEnd(evidence, ({ code, message }) => code === 1009 && message.includes('binary')),
  },
];
