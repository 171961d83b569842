import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pcma, pcmu } from '../../../codecs/g711.ts';
import { freePort, isPortFree } from './free-port.ts';
import { findPeer } from './installed.ts';
import { type Ended, type Processes, tail } from './processes.ts';
import { tonePcm } from './test-tone.ts';

export const sipp = findPeer('sipp', 'sip-tester');

const scenarios = resolve(import.meta.dirname, '../../interop/sipp');

export interface SippRun {
  /** Name of a file in test/interop/sipp, without its ending. */
  readonly scenario: string;
  readonly transport: 'udp' | 'tcp';
  /** `127.0.0.1:5060`, `[::1]:5060` */
  readonly gateway: string;
  /** User part of the Request-URI. */
  readonly to: string;
  /** Header fields that the INVITE has besides, as they stand in a message. */
  readonly headers?: readonly string[];
  /** The digest's `uri` without its scheme; sipp leaves the user out of it unless told. */
  readonly authUri?: string;
  /** The whole Call-ID of its first call. */
  readonly callId?: string;
  readonly codec?: 'PCMU' | 'PCMA';
  /** Header fields, or `body`, that a POSIX regular expression must match in the response or request named in the
   *  scenario. */
  readonly checks?: Readonly<Record<string, string>>;
  /** What else the scenario leaves open. */
  readonly values?: Readonly<Record<string, string>>;
  readonly calls?: number;
  readonly callsPerSecond?: number;
  /** Length of a pause that the scenario leaves open. */
  readonly pauseMs?: number;
  readonly limitMs?: number;
}

/** Runs a scenario as the caller; resolves with the messages that were exchanged. Rejects, with sipp's own words, where
 *  any call of it did not go exactly as the scenario says. */
export async function runSipp(processes: Processes, run: SippRun): Promise<string> {
  const { limitMs = limitMsDefault } = run;
  const prepared = prepare(run);
  try {
    for (let attempt = 1; ; attempt++) {
      const options = callerOptions(run, await freePort(portsOf.all));
      const ended = await processes.run(sipp.path ?? 'sipp', options, {
        cwd: prepared.directory,
        limitMs: limitMs + 5_000,
      });
      if (ended.status === cannotBind && attempt < 3) continue;
      return prepared.outcome(ended);
    }
  } finally {
    prepared.remove();
  }
}

export interface SippServerRun extends Omit<SippRun, 'gateway' | 'to'> {
  readonly to?: string;
}

export interface SippServer {
  /** `127.0.0.1:5060`, bound. */
  readonly address: string;
  /** As `runSipp`. */
  readonly ended: Promise<string>;
}

/** Runs a scenario as the callee, of one call; resolves when it listens. */
export async function startSippServer(processes: Processes, run: SippServerRun): Promise<SippServer> {
  const { limitMs = limitMsDefault } = run;
  const prepared = prepare(run);
  for (let attempt = 1; ; attempt++) {
    const port = await freePort(portsOf.all);
    const running = processes.start(sipp.path ?? 'sipp', serverOptions(run, port), {
      cwd: prepared.directory,
    });
    const limit = setTimeout(() => running.signal('SIGKILL'), limitMs + 5_000);
    let gone = false;
    const ended = running.ended.then((end) => {
      gone = true;
      clearTimeout(limit);
      return end;
    });
    for (let tries = 0; tries < 200 && !gone && (await isPortFree(port)); tries++)
      await new Promise((resume) => setTimeout(resume, 50));
    if (gone && (await ended).status === cannotBind && attempt < 3) continue;
    const outcome = ended.then((end) => prepared.outcome(end)).finally(() => prepared.remove());
    outcome.catch(() => {});
    return { address: `127.0.0.1:${port}`, ended: outcome };
  }
}

interface Prepared {
  readonly directory: string;
  /** The messages; throws where sipp was not content. */
  outcome(ended: Ended): string;
  remove(): void;
}

function prepare(run: SippRun | SippServerRun): Prepared {
  const directory = mkdtempSync(join(tmpdir(), 'callwire-sipp-'));
  const file = (name: string): string => join(directory, name);
  writeFileSync(file('tone.raw'), tonePayload(run.codec ?? 'PCMU'));
  writeFileSync(file('scenario.xml'), fillIn(readScenario(run.scenario), valuesOf(run, file('tone.raw'))));
  return {
    directory,
    outcome({ status, stderr }) {
      const messages = readIfThere(file('messages.log'));
      if (status === 0) return messages;
      const errors = readIfThere(file('errors.log')) || stderr;
      throw new Error(`sipp ${run.scenario} ended with ${status}\n${tail(errors)}\n${tail(messages)}`);
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** One message of sipp's log. */
export interface LoggedMessage {
  /** Since the first one. */
  readonly atMs: number;
  readonly direction: 'sent' | 'received';
  readonly text: string;
}

/** What `runSipp` resolved with, message by message; of those whose text matches. */
export function messagesOf(log: string, pattern = /(?:)/): LoggedMessage[] {
  const parts = log.split(/^-{20,} /m).slice(1);
  const all = parts.map((part): LoggedMessage => {
    const [, at = '', direction = '', text = ''] =
      /^(\S+[ \t]\S+)[^\n]*\n\S+ message (sent|received)[^\n]*\n([\s\S]*)$/.exec(part) ?? [];
    return {
      atMs: Date.parse(at.replace(/[ \t]+/, 'T').replace(/(\.\d{3})\d*$/, '$1')),
      direction: direction === 'sent' ? 'sent' : 'received',
      text: text.trim(),
    };
  });
  const firstMs = all[0]?.atMs ?? 0;
  return all
    .filter(({ text }) => pattern.test(text))
    .map((message) => ({ ...message, atMs: message.atMs - firstMs }));
}

const limitMsDefault = 15_000;
/** Exit status: somebody took the port meanwhile. */
const cannotBind = 254;
/** Counted from the first: sipp binds audio, and two ports further video. */
const portsOf = { sip: 0, media: 2, all: 6 };

function callerOptions(run: SippRun, port: number): string[] {
  const { calls = 1, callsPerSecond = 10 } = run;
  const host = run.gateway.startsWith('[') ? '::1' : '127.0.0.1';
  // biome-ignore format: an option and its value on a line
  return [
    ...commonOptions(run, port, host),
    '-s', run.to,
    '-m', String(calls), '-r', String(callsPerSecond), '-l', String(calls),
    run.gateway,
  ];
}

function serverOptions(run: SippServerRun, port: number): string[] {
  return [...commonOptions(run, port, '127.0.0.1'), '-m', '1'];
}

function commonOptions(run: SippRun | SippServerRun, port: number, host: string): string[] {
  const { limitMs = limitMsDefault } = run;
  // biome-ignore format: an option and its value on a line
  return [
    '-sf', 'scenario.xml',
    '-t', run.transport === 'tcp' ? 't1' : 'u1',
    '-i', host, '-p', String(port + portsOf.sip),
    '-mi', host, '-mp', String(port + portsOf.media),
    '-d', String(run.pauseMs ?? 0),
    ...(run.authUri === undefined ? [] : ['-auth_uri', run.authUri]),
    ...(run.callId === undefined ? [] : ['-cid_str', run.callId]),
    '-trace_err', '-error_file', 'errors.log',
    '-trace_msg', '-message_file', 'messages.log',
    '-timeout', String(Math.ceil(limitMs / 1_000)), '-timeout_error',
    '-nostdin',
  ];
}

function valuesOf(
  { codec = 'PCMU', checks = {}, values = {}, headers = [] }: SippRun | SippServerRun,
  rtp: string,
): Values {
  return {
    codec,
    payload: codec === 'PCMU' ? '0' : '8',
    rtp,
    branchOffset: '',
    retrans: ' retrans="500"',
    headers: headers.join('\n'),
    checks: checkActions(checks),
    ...values,
  };
}

/** A second of tone as sipp sends it: bare payload. */
function tonePayload(codec: 'PCMU' | 'PCMA'): Uint8Array {
  const pcm = tonePcm(1);
  const payload = new Uint8Array(pcm.length);
  (codec === 'PCMU' ? pcmu : pcma).createEncoder().encode(pcm, 0, pcm.length, payload, 0);
  return payload;
}

function checkActions(checks: Readonly<Record<string, string>>): string {
  const entries = Object.entries(checks);
  const actions = entries.map(([where, expression], index) => {
    const place = where === 'body' ? 'search_in="body"' : `search_in="hdr" header="${where}:"`;
    return `<ereg regexp="${escapeXml(expression)}" ${place} check_it="true" assign_to="check${index}"/>`;
  });
  // sipp takes a variable that is assigned and never read for a mistake.
  const reads = entries.map((_, index) => `<log message="[$check${index}]"/>`);
  return entries.length === 0 ? '' : `<action>${[...actions, ...reads].join('')}</action>`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

type Values = Readonly<Record<string, string>>;

/** `{{ack cseq=1}}` stands for the file parts/ack.xml, with that value in it; `{{status}}` for a value. */
function fillIn(template: string, values: Values): string {
  // An empty value must not leave an empty line, which ends the header of a message.
  const text = template.replace(/^\{\{(\w+)\}\}\n/gm, (line, name: string) =>
    values[name] === '' ? '' : line,
  );
  return text.replace(/\{\{([\w-]+)((?: \w+=[^\s}]+)*)\}\}/g, (_, name: string, given: string) => {
    const value = values[name];
    if (value !== undefined) return value;
    const own = [...given.matchAll(/(\w+)=(\S+)/g)].map(([, key, text]) => [key, text] as const);
    return fillIn(readScenario(`parts/${name}`), { ...values, ...Object.fromEntries(own) });
  });
}

function readScenario(name: string): string {
  return readFileSync(join(scenarios, `${name}.xml`), 'utf8');
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
