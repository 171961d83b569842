import { asterisk } from './asterisk.ts';
import { audiosocket } from './audiosocket.ts';
import { jambonz } from './jambonz.ts';
import type { StreamDialect, StreamDialectName } from './messages.ts';
import { sinch } from './sinch.ts';
import { telnyx } from './telnyx.ts';
import { twilio } from './twilio.ts';
import { vonage } from './vonage.ts';

/** Every dialect that this gateway speaks. */
const dialects: Readonly<Record<StreamDialectName, StreamDialect>> = {
  sinch,
  twilio,
  vonage,
  telnyx,
  asterisk,
  jambonz,
  audiosocket,
};

export function dialectNamed(name: StreamDialectName): StreamDialect {
  return dialects[name];
}
