import { randomBytes } from 'node:crypto';
import type { SessionProfile } from '../../protocol/sip/session-actions.ts';
import { sipTimings } from '../../protocol/sip/transaction-tables.ts';
import type { UserAgentOptions } from './user-agent-options.ts';

const methodsAllowed = [
  ...['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS', 'UPDATE', 'INFO', 'NOTIFY', 'REFER', 'MESSAGE', 'PRACK'],
];

/** What all sessions of a user agent share. */
export function createProfile(options: UserAgentOptions): SessionProfile {
  const random = options.random ?? Math.random;
  return {
    userAgentName: options.userAgentName,
    allow: methodsAllowed,
    supported: extensionsOf(options),
    timings: options.timings ?? sipTimings,
    sessionTimer: options.sessionTimer,
    createToken: options.random === undefined ? systemToken : () => seededToken(random),
    random: () => random(),
  };
}

/** Option tags of Supported. RFC 3262, 3891, 4028, 4488. */
function extensionsOf({ handlers, sessionTimer }: UserAgentOptions): string[] {
  const extensions = ['100rel', 'norefersub'];
  if (handlers.replacing !== undefined) extensions.push('replaces');
  if (sessionTimer !== undefined) extensions.push('timer');
  return extensions;
}

function systemToken(): string {
  return randomBytes(12).toString('hex');
}

function seededToken(random: () => number): string {
  let token = '';
  while (token.length < 24)
    token += Math.floor(random() * 0x1000000)
      .toString(16)
      .padStart(6, '0');
  return token;
}
