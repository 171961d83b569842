import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { findPeer } from './installed.ts';
import { type Ended, type Processes, tail } from './processes.ts';

const moduleDirectories = [
  '/usr/lib/baresip/modules',
  '/usr/lib/x86_64-linux-gnu/baresip/modules',
  '/usr/lib/aarch64-linux-gnu/baresip/modules',
  '/usr/lib64/baresip/modules',
  '/usr/local/lib/baresip/modules',
];
const modules = ['account', 'menu', 'g711', 'aufile', 'aubridge', 'sndfile'];

/** Undefined where it is not installed. */
export const moduleDirectory = moduleDirectories.find((path) => existsSync(path));

export const baresip = findPeer('baresip', 'baresip-core', moduleDirectories);

export interface BaresipCall {
  readonly target: string;
  readonly codec: 'pcmu' | 'pcma';
  readonly transport: 'udp' | 'tcp' | 'tls';
  /** File with the authority of the far side's certificate, over TLS. */
  readonly ca?: string;
  /** Mono 16-bit PCM at 8 kHz, longer than the call. */
  readonly play: string;
  readonly seconds: number;
  /** An empty directory of its own. */
  readonly directory: string;
}

export interface BaresipResult extends Ended {
  /** A WAV with what it decoded, as it came: no jitter buffer, no concealment. Undefined where it heard nothing. */
  readonly heard: string | undefined;
}

/** Lets baresip place one call and hang up after `seconds`. Rejects where the call was not established. */
export async function callWithBaresip(processes: Processes, call: BaresipCall): Promise<BaresipResult> {
  const { directory, seconds, target } = call;
  const recordings = join(directory, 'recordings');
  mkdirSync(recordings);
  // A directory without the ringing tones that it would play.
  mkdirSync(join(directory, 'sounds'));
  writeFileSync(
    join(directory, 'accounts'),
    `<sip:baresip@127.0.0.1;transport=${call.transport}>;regint=0;audio_codecs=${call.codec.toUpperCase()}/8000/1\n`,
  );
  writeFileSync(join(directory, 'contacts'), '');
  for (let attempt = 1; ; attempt++) {
    // One for SIP, the next for SIP over TLS.
    writeFileSync(join(directory, 'config'), configText(await freePort(2), recordings, call));
    const ended = await processes.run(
      baresip.path ?? 'baresip',
      ['-f', directory, '-p', join(directory, 'sounds'), '-t', String(seconds), '-e', `/dial ${target}`],
      { limitMs: seconds * 1_000 + 15_000, cwd: directory },
    );
    const said = ended.stdout + ended.stderr;
    if (said.includes('Address already in use') && attempt < 3) continue;
    if (!said.includes('Call established'))
      throw new Error(`baresip's call was not established; it said\n${tail(said)}`);
    const file = readdirSync(recordings).find((name) => name.endsWith('-dec.wav'));
    return { ...ended, heard: file && join(recordings, file) };
  }
}

function configText(port: number, recordings: string, { play, ca }: BaresipCall): string {
  const lines = [
    'poll_method epoll',
    `sip_listen 127.0.0.1:${port}`,
    ...(ca === undefined ? [] : [`sip_cafile ${ca}`, 'sip_verify_server yes']),
    `audio_source aufile,${play}`,
    // It writes no WAV of what it plays; the filter `sndfile` writes what it decodes, and needs a player behind it.
    'audio_player aubridge,nobody',
    'audio_alert aubridge,nobody',
    'ausrc_srate 8000',
    'auplay_srate 8000',
    'ausrc_channels 1',
    'auplay_channels 1',
    'audio_level no',
    'rtp_ports 20000-29998',
    `module_path ${moduleDirectory ?? ''}`,
    `snd_path ${recordings}`,
    ...modules.map((name) => `${name === 'account' || name === 'menu' ? 'module_app' : 'module'} ${name}.so`),
  ];
  return `${lines.join('\n')}\n`;
}
