import { parse, type SessionDescription } from 'sdp-transform';
import { ProtocolError } from '../protocol-error.ts';
import { type MediaLine, type RemoteAudio, readAudio } from './remote-audio.ts';
import { broken, clip, readInteger, unserved } from './sdp-fields.ts';

/** A remote session description, checked. RFC 4566 (and its successor 8866), read for what RFC 3264 needs. */

export interface SdpOrigin {
  readonly username: string;
  /** Decimal digits, up to 64 bits and more: not for arithmetic. */
  readonly sessionId: string;
  /** The same version as before means that nothing changed (RFC 3264 §8). */
  readonly sessionVersion: string;
  readonly address: string;
}

export interface RemoteMedia {
  readonly origin: SdpOrigin;
  /** Every m-line, as an answer must have as many in the same order. */
  readonly lines: readonly MediaLine[];
  /** The audio lines that may be served. Never empty. */
  readonly audio: readonly RemoteAudio[];
}

const charactersMax = 65_536;
const linesMax = 1000;
const mediaLinesMax = 64;
const formatsMax = 128;
/** Further ones are refused in the answer. */
const audioLinesMax = 8;

/** Attributes that are handed on to sdp-transform. It tries some fifty expressions on each line that none of them
 *  fits, so what it does not know, or could not read, is dropped first. */
const attributesRead =
  /^(?:(?:sendrecv|sendonly|recvonly|inactive|rtcp-mux)$|(?:rtcp|ptime|maxptime|rtcp-xr):|(?:rtpmap|fmtp):\d+ |crypto:\d+ \w+ \S)/;

/** Reads an offer (`readAnswer` reads answers). Throws `ProtocolError`: status 400 for what breaks the grammar or a
 *  range, 488 for what is right and cannot be served (no audio, a host name, multicast, more than 1000 lines or 64
 *  m-lines). Lines may end in CRLF, LF or CR and in blanks. */
export function readOffer(text: string): RemoteMedia {
  return readDescription(text);
}

/** Reads either kind. */
export function readDescription(text: string): RemoteMedia {
  const { session, lines } = parseLines(text);
  const origin = readOrigin(session);
  const audio: RemoteAudio[] = [];
  let refusal: ProtocolError | undefined;
  for (const [index, line] of lines.entries()) {
    if (!isAudioOverRtp(line) || audio.length === audioLinesMax) continue;
    try {
      audio.push(readAudio(session, index, line));
    } catch (error) {
      // One good line is enough; the bad ones are refused in the answer.
      if (!(error instanceof ProtocolError)) throw error;
      refusal ??= error;
    }
  }
  if (audio.length === 0) throw refusal ?? noAudio(lines);
  return { origin, lines, audio };
}

function isAudioOverRtp(line: MediaLine): boolean {
  return (
    line.type.toLowerCase() === 'audio' && line.port !== 0 && /(?:^|\/)RTP\/S?AVPF?$/i.test(line.protocol)
  );
}

function noAudio(lines: readonly MediaLine[]): ProtocolError {
  const found = lines.slice(0, 4).map((line) => clip(`${line.type} ${line.port} ${line.protocol}`));
  return unserved(
    'no-audio',
    `an audio line over RTP expected, got ${found.length === 0 ? 'no media line' : found.join(', ')}`,
  );
}

function parseLines(text: string): { session: SessionDescription; lines: MediaLine[] } {
  if (text.length > charactersMax)
    throw unserved('sdp-too-long', `at most ${charactersMax} characters expected, got ${text.length}`);
  const written = text.split(/\r\n|\r|\n/, linesMax + 1);
  if (written.length > linesMax) throw unserved('sdp-too-long', `at most ${linesMax} lines expected`);
  if (written[0]?.trimEnd() !== 'v=0')
    throw broken('bad-version', `v=0 expected first, got "${clip(written[0] ?? '')}"`);
  const kept: string[] = [];
  const lines: MediaLine[] = [];
  for (const raw of written) {
    const line = raw.trimEnd();
    if (line === '') continue;
    const content = line.slice(2);
    if (line[1] !== '=') throw broken('bad-line', `<letter>=<value> expected, got "${clip(line)}"`);
    switch (line[0]) {
      case 'm':
        lines.push(readMediaLine(content));
        if (lines.length > mediaLinesMax)
          throw unserved('too-many-media', `at most ${mediaLinesMax} m-lines expected`);
        // Its own expression for m-lines is narrower than the grammar; of this one it understands everything.
        kept.push('m=audio 0 RTP/AVP 0');
        break;
      case 'c':
        if (!/^IN IP[46] \S+$/.test(content))
          throw broken('bad-connection', `c=IN IP4|IP6 <address> expected, got "${clip(line)}"`);
        kept.push(line);
        break;
      case 'a':
        // sdp-transform would read `1e9` as 1 and `-20` as nothing.
        if (/^(?:max)?ptime:.*[^\d.]/.test(content))
          throw broken('bad-ptime', clip(content.replace(':', ' must be 1-1000 ms, got ')));
        if (attributesRead.test(content))
          kept.push(content.startsWith('crypto:') ? joinParameters(line) : line);
        break;
      case 'o':
        kept.push(line);
    }
  }
  return { session: parse(kept.join('\r\n')), lines };
}

/** sdp-transform reads the first session parameter of a crypto line and would drop the others unseen. */
function joinParameters(line: string): string {
  const [tag, suite, key, ...parameters] = line.split(/ +/);
  return parameters.length < 2 ? line : `${tag} ${suite} ${key} ${parameters.join(',')}`;
}

const token = /^[\w!#$%&'*+./^`{|}~-]+$/;

function readMediaLine(content: string): MediaLine {
  const [type = '', portText = '', protocol = '', ...formats] = content.split(/[ \t]+/, formatsMax + 4);
  const shown = `"m=${clip(content)}"`;
  // `49170/2` stands for two ports of a layered stream; the first is the one to send to.
  const port = readInteger(portText.replace(/\/\d{1,5}$/, ''), 0, 65_535);
  if (port === undefined) throw broken('bad-port', `port of 0-65535 expected, got ${shown}`);
  // A refused line has no use for formats, and some senders leave them out.
  if (formats.length === 0 && port === 0) formats.push('0');
  const sound = token.test(type) && token.test(protocol) && formats.every((format) => token.test(format));
  if (!sound || formats.length === 0)
    throw broken('bad-media', `m=<media> <port> <protocol> <format>… expected, got ${shown}`);
  if (formats.length > formatsMax)
    throw unserved('too-many-formats', `at most ${formatsMax} formats on a media line expected`);
  return { type, port, protocol, formats };
}

function readOrigin(session: SessionDescription): SdpOrigin {
  const origin = session.origin as Partial<SessionDescription['origin']> | undefined;
  const sessionId = String(origin?.sessionId ?? '');
  const sessionVersion = String(origin?.sessionVersion ?? '');
  if (!/^\d{1,40}$/.test(sessionId) || !/^\d{1,40}$/.test(sessionVersion))
    throw broken('bad-origin', 'o=<user> <id> <version> IN IP4|IP6 <address> expected');
  return {
    username: String(origin?.username ?? '-'),
    sessionId,
    sessionVersion,
    address: String(origin?.address ?? ''),
  };
}
