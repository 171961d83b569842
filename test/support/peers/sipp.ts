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
  const { scenario, transport, gateway, to, calls = 1, callsPerSecond = 10, limitMs = 15_000 } = run;
  const directory = mkdtempSync(join(tmpdir(), 'callwire-sipp-'));
  const file = (name: string): string => join(directory, name);
  writeFileSync(file('tone.raw'), tonePayload(run.codec ?? 'PCMU'));
  writeFileSync(file('scenario.xml'), fillIn(readScenario(scenario), valuesOf(run, file('tone.raw'))));
  const port = await freePort();
  const mediaPort = await freePort();
  // biome-ignore format: an option and its value on a line
  const options = [
    '-sf', file('scenario.xml'),
    '-s', to,
    '-t', transport === 'tcp' ? 't1' : 'u1',
    '-i', '127.0.0.1', '-p', String(port),
    '-mi', '127.0.0.1', '-mp', String(mediaPort),
    '-m', String(calls), '-r', String(callsPerSecond), '-l', String(calls),
    '-d', String(run.pauseMs ?? 0),
    '-trace_err', '-error_file', file('errors.log'),
    '-trace_msg', '-message_file', file('messages.log'),
    '-timeout', String(Math.ceil(limitMs / 1_000)), '-timeout_error',
    '-nostdin',
  ];
  try {
    const { status, stderr } = await processes.run(sipp.path ?? 'sipp', [...options, gateway], {
      cwd: directory,
      limitMs: limitMs + 5_000,
    });
    const messages = readIfThere(file('messages.log'));
    if (status === 0) return messages;
    throw new Error(
      `sipp ${scenario} ended with ${status}\n${tail(readIfThere(file('errors.log')) || stderr)}\n${tail(messages)}`,
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function valuesOf({ codec = 'PCMU', checks = {}, values = {} }: SippRun, rtp: string): Values {
  return {
    codec,
    payload: codec === 'PCMU' ? '0' : '8',
    rtp,
    branchOffset: '',
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
