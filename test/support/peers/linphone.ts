import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { findPeer } from './installed.ts';
import { tail } from './processes.ts';

export const linphone = findPeer('linphonec', 'linphone-cli');

/** As its `codec list` names them; without the rate that it writes into the SDP. */
export type LinphoneCodec = 'opus' | 'G722' | 'PCMU' | 'PCMA' | 'L16';

export interface LinphoneCall {
  readonly target: string;
  readonly codec: LinphoneCodec;
  /** 16-bit PCM, longer than the call. */
  readonly play: string;
  /** From audio to hanging up. */
  readonly seconds: number;
  /** File with the authority of the far side's certificate, over TLS. */
  readonly ca?: string;
  /** An empty directory of its own. */
  readonly directory: string;
}

/** What it would offer by itself, to be switched off, and L16, which it only knows where its configuration names it. */
const codecs = [
  'opus/48000',
  'speex/16000',
  'speex/8000',
  'PCMU/8000',
  'PCMA/8000',
  'G722/8000',
  'G729/8000',
  'L16/16000',
];
const setupMsMax = 15_000;

/** Lets linphonec place one call and hang up after `seconds`; resolves with the WAV of what it heard. Rejects where the
 *  call was not established, and ends the process in any case. */
export async function callWithLinphone(call: LinphoneCall): Promise<{ readonly heard: string }> {
  const { directory, seconds, target, play } = call;
  for (const part of ['.local/share/linphone', '.config/linphone']) {
    mkdirSync(join(directory, part), { recursive: true });
  }
  const file = join(directory, 'linphonerc');
  writeFileSync(file, configText(await freePort(4), call));
  const heard = join(directory, 'heard.wav');
  const child = spawn(linphone.path ?? 'linphonec', ['-c', file], {
    cwd: directory,
    env: { ...process.env, HOME: directory },
    stdio: 'pipe',
  });
  let said = '';
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const until = (text: RegExp, limitMs: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const fail = (why: string): void => done(() => reject(new Error(`linphonec ${why}\n${tail(said)}`)));
      const limit = setTimeout(() => fail(`did not say ${text} within ${limitMs} ms`), limitMs);
      const look = (): void => {
        if (text.test(said)) done(resolve);
        else if (/\b(?:error|ended)\b.*\.$/im.test(said)) fail('has no call');
      };
      const done = (settle: () => void): void => {
        clearTimeout(limit);
        watchers.delete(look);
        settle();
      };
      watchers.add(look);
      void closed.then(() => fail('ended'));
      look();
    });
  const watchers = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-100_000);
      for (const look of [...watchers]) look();
    });
  }
  child.stdin.on('error', () => {});
  const type = (line: string): void => void child.stdin.write(`${line}\n`);
  try {
    for (const line of ['soundcard use files', `play ${play}`, `record ${heard}`, `call ${target}`])
      type(line);
    await until(/Media streams established/, setupMsMax);
    await new Promise((resume) => setTimeout(resume, seconds * 1_000));
    said = '';
    type('terminate');
    await until(/Call \d+ .* ended/, 5_000);
    type('quit');
    await Promise.race([closed, new Promise((resume) => setTimeout(resume, 5_000))]);
    return { heard };
  } finally {
    child.kill('SIGKILL');
    await closed;
  }
}

function configText(port: number, { codec, ca }: LinphoneCall): string {
  const wanted = codecs.flatMap((entry, index) => {
    const [mime = '', rate = ''] = entry.split('/');
    return [
      `[audio_codec_${index}]`,
      `mime=${mime}`,
      `rate=${rate}`,
      `channels=${mime === 'opus' ? 2 : 1}`,
      `enabled=${mime === codec ? 1 : 0}`,
    ];
  });
  const lines = [
    '[sip]',
    `sip_port=${port}`,
    `sip_tcp_port=${port}`,
    `sip_tls_port=${ca === undefined ? -1 : port + 1}`,
    // A machine without a way to the Internet counts as one without a network.
    'auto_net_state_mon=0',
    'contact="linphone" <sip:linphone@127.0.0.1>',
    'guess_hostname=0',
    'use_ipv6=0',
    // Its TLS library finds no addresses in certificates.
    ...(ca === undefined ? [] : [`root_ca=${ca}`, 'verify_server_certs=1', 'verify_server_cn=0']),
    '[rtp]',
    `audio_rtp_port=${port + 2}`,
    '[sound]',
    'echocancellation=0',
    '[video]',
    'enabled=0',
    'automatically_initiate=0',
    ...wanted,
  ];
  return `${lines.join('\n')}\n`;
}
