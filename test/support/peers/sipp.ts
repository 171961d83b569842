import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pcma, pcmu } from '../../../codecs/g711.ts';
import { freePort } from './free-port.ts';
import { findPeer } from './installed.ts';
import { type Processes, tail } from './processes.ts';
import { tonePcm } from './test-tone.ts';

export const sipp = findPeer('sipp', 'sip-tester');

const scenarios = resolve(import.meta.dirname, '../../interop/sipp');

export interface SippRun {
  /** Name of a file in test/interop/sipp, without its ending. */
  readonly scenario: string;
  readonly transport: 'udp' | 'tcp';
  /** `127.0.0.1:5060` */
  readonly gateway: string;
  /** User part of the Request-URI. */
  readonly to: string;
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

/** Runs a scenario; resolves with the messages that were exchanged. Rejects, with sipp's own words, where any call of
 *  it did not go exactly as the scenario says. */
export async function runSipp(processes: Processes, run: SippRun): Promise<string> {
  const { scenario, limitMs = limitMsDefault } = run;
  const directory = mkdtempSync(join(tmpdir(), 'callwire-sipp-'));
  const file = (name: string): string => join(directory, name);
  writeFileSync(file('tone.raw'), tonePayload(run.codec ?? 'PCMU'));
  writeFileSync(file('scenario.xml'), fillIn(readScenario(scenario), valuesOf(run, file('tone.raw'))));
  try {
    for (let attempt = 1; ; attempt++) {
      const options = optionsOf(run, await freePort(portsOf.all));
      const { status, stderr } = await processes.run(sipp.path ?? 'sipp', options, {
        cwd: directory,
        limitMs: limitMs + 5_000,
      });
      const messages = readIfThere(file('messages.log'));
      if (status === 0) return messages;
      if (status === cannotBind && attempt < 3) continue;
      const errors = readIfThere(file('errors.log')) || stderr;
      throw new Error(`sipp ${scenario} ended with ${status}\n${tail(errors)}\n${tail(messages)}`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const limitMsDefault = 15_000;
/** Exit status: somebody took the port meanwhile. */
const cannotBind = 254;
/** Counted from the first: sipp binds audio, and two ports further video. */
const portsOf = { sip: 0, media: 2, all: 6 };

function optionsOf(run: SippRun, port: number): string[] {
  const { calls = 1, callsPerSecond = 10, limitMs = limitMsDefault } = run;
  // biome-ignore format: an option and its value on a line
  return [
    '-sf', 'scenario.xml',
    '-s', run.to,
    '-t', run.transport === 'tcp' ? 't1' : 'u1',
    '-i', '127.0.0.1', '-p', String(port + portsOf.sip),
    '-mi', '127.0.0.1', '-mp', String(port + portsOf.media),
    '-m', String(calls), '-r', String(callsPerSecond), '-l', String(calls),
    '-d', String(run.pauseMs ?? 0),
    '-trace_err', '-error_file', 'errors.log',
    '-trace_msg', '-message_file', 'messages.log',
    '-timeout', String(Math.ceil(limitMs / 1_000)), '-timeout_error',
    '-nostdin',
    run.gateway,
  ];
}

function valuesOf({ codec = 'PCMU', checks = {}, values = {} }: SippRun, rtp: string): Values {
  return {
    codec,
    payload: codec === 'PCMU' ? '0' : '8',
    rtp,
    branchOffset: '',
    retrans: ' retrans="500"',
    headers: '',
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
