import type { StreamDialectName } from '../../../protocol/stream/messages.ts';
import { asterisk } from './asterisk.ts';
import { audiosocket } from './audiosocket.ts';
import type { BotDialect } from './bot-dialect.ts';
import { jambonz } from './jambonz.ts';
import { telnyx, twilio } from './media-streams.ts';
import { sinch } from './sinch.ts';
import { vonage } from './vonage.ts';

/** Every dialect that a bot can be spoken to in. */
export const botDialects: Readonly<Record<StreamDialectName, BotDialect>> = {
  sinch,
  twilio,
  vonage,
  telnyx,
  asterisk,
  jambonz,
  audiosocket,
};
