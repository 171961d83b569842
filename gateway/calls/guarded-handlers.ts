import type { InviteSessionHandlers } from '../signaling/session.ts';

/** The same handlers with every one of them inside `guard`, which returns undefined where it caught something: the far
 *  side then gets 500. */
export function guardedHandlers(
  guard: <T>(run: () => T) => T | undefined,
  handlers: InviteSessionHandlers,
): InviteSessionHandlers {
  return {
    progressed: (response) => guard(() => handlers.progressed?.(response)),
    accepted: (response, answer) => guard(() => handlers.accepted?.(response, answer)),
    confirmed: (answer) => guard(() => handlers.confirmed?.(answer)),
    offered: (offer) => guard(() => handlers.offered?.(offer)) ?? { status: 500 },
    refreshed: (answer) => guard(() => handlers.refreshed?.(answer)),
    referred: (referral) => guard(() => handlers.referred?.(referral)) ?? { status: 500 },
    requested: (request) => guard(() => handlers.requested?.(request)) ?? { status: 500 },
    ended: (end) => guard(() => handlers.ended(end)),
  };
}
