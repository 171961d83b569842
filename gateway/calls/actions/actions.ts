import type { SvamlAction } from '../../../protocol/svaml/svaml.ts';
import type { Activity } from '../activity.ts';
import type { Call } from '../call.ts';
import { ConferenceMembership } from './connect-conf.ts';
import { PhoneConnection } from './connect-phone.ts';
import { StreamConnection } from './connect-stream.ts';
import { Parking } from './park.ts';
import { MenuRun } from './run-menu.ts';

type Actions = {
  readonly [Name in SvamlAction['name']]: (
    call: Call,
    action: Extract<SvamlAction, { readonly name: Name }>,
  ) => Activity | undefined;
};

/** What each action makes of a call; undefined where it is done at once. */
const actions: Actions = {
  connectStream: (call, action) => new StreamConnection(call, action),
  connectSip: (call, action) => new PhoneConnection(call, action),
  connectPstn: (call, action) => new PhoneConnection(call, action),
  connectConf: (call, action) => new ConferenceMembership(call, action),
  runMenu: (call, action) => new MenuRun(call, action),
  park: (call, action) => new Parking(call, action),
  hangup(call) {
    call.end('hungUp');
    return undefined;
  },
  // Taken care of before: it leaves what is under way as it is.
  continue: () => undefined,
};

export function startAction(call: Call, action: SvamlAction): Activity | undefined {
  const start = actions[action.name] as (call: Call, action: SvamlAction) => Activity | undefined;
  return start(call, action);
}
