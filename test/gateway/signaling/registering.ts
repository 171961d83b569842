import { Registrar, type RegistrarOptions } from '../../../gateway/signaling/registrar.ts';
import type { UserAgent } from '../../../gateway/signaling/session.ts';
import { type TrunkOptions, Trunks, type TrunksOptions } from '../../../gateway/signaling/trunks.ts';
import { createUserAgent } from '../../../gateway/signaling/user-agent.ts';
import type { UserAgentOptions } from '../../../gateway/signaling/user-agent-options.ts';
import type { SipMessage } from '../../../protocol/sip/message.ts';
import type { FakeClock } from '../../support/fake-clock.ts';
import type { MemoryNetwork } from '../../support/memory-network.ts';
import { createRandom } from '../../support/random.ts';
import { accept, labelOf } from './agents.ts';

export interface World {
  readonly clock: FakeClock;
  readonly network: MemoryNetwork;
}

export const users = [
  { username: 'alice', password: 'secret' },
  { username: 'bob', password: 'hidden' },
];

export interface Side {
  readonly userAgent: UserAgent;
  readonly port: number;
  readonly counted: string[];
  readonly lines: { readonly sentence: string; readonly fields: Record<string, unknown> }[];
  /** Labels of what it sent. */
  readonly sent: string[];
  readonly messages: SipMessage[];
}

async function createSide(
  world: World,
  options: Partial<UserAgentOptions>,
  side: Omit<Side, 'userAgent' | 'port'>,
) {
  const userAgent = await createUserAgent({
    ...world,
    listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }],
    userAgentName: 'test',
    random: createRandom(3),
    log: logInto(side),
    ...options,
    handlers: {
      invited: (session) => {
        queueMicrotask(() => session.accept(accept));
        return { ended() {} };
      },
      readiness: () => 200,
      counted: (code) => side.counted.push(code),
      traced: (direction, message) => {
        if (direction === 'out') side.sent.push(labelOf(message));
        side.messages.push(message);
      },
      ...options.handlers,
    },
  });
  opened.push(userAgent);
  return Object.assign(side, { userAgent, port: userAgent.listening[0]!.port });
}

const empty = (): Omit<Side, 'userAgent' | 'port'> => ({ counted: [], lines: [], sent: [], messages: [] });

function logInto({ lines }: Pick<Side, 'lines'>) {
  const log = (fields: object, sentence: string): void => {
    lines.push({ sentence, fields: fields as Record<string, unknown> });
  };
  return { debug: log, info: log, warn: log, error: log };
}

/** A gateway that phones can register with. */
export async function createRegistrarSide(
  world: World,
  options: Partial<RegistrarOptions> = {},
): Promise<Side & { readonly registrar: Registrar; readonly counts: number[] }> {
  const side = empty();
  const counts: number[] = [];
  const registrar = new Registrar({
    clock: world.clock,
    log: logInto(side),
    counted: (code) => side.counted.push(code),
    changed: (count) => counts.push(count),
    ...options,
  });
  const ready = await createSide(
    world,
    {
      access: { auth: { realm: 'callwire', users, required: false } },
      methodsServed: ['REGISTER'],
      handlers: {
        invited: () => ({ ended() {} }),
        readiness: () => 200,
        counted: (code) => side.counted.push(code),
        requestedOutside: (request, source) => registrar.receive(request, source),
        traced: (direction, message) => {
          if (direction === 'out') side.sent.push(labelOf(message));
        },
      },
    },
    side,
  );
  registrars.push(registrar);
  return Object.assign(ready, { registrar, counts });
}

/** A user agent without anything that it answers to. */
export function createPlainSide(world: World, options: Partial<UserAgentOptions> = {}): Promise<Side> {
  return createSide(world, options, empty());
}

/** A gateway that registers with others. */
export async function createTrunkSide(
  world: World,
  trunks: readonly Partial<TrunkOptions>[],
  options: Partial<TrunksOptions> = {},
): Promise<Side & { readonly trunks: Trunks; readonly changes: string[] }> {
  const side = empty();
  const ready = await createSide(world, {}, side);
  const changes: string[] = [];
  const all = new Trunks(
    trunks.map((trunk) => ({ name: 'carrier', uri: 'sip:127.0.0.1', register: true, ...trunk })),
    {
      userAgent: ready.userAgent,
      clock: world.clock,
      log: logInto(side),
      random: () => 0.5,
      changed: (trunk, registered) => {
        const change = `${trunk} ${registered}`;
        if (changes.at(-1) !== change) changes.push(change);
      },
      ...options,
    },
  );
  return Object.assign(ready, { trunks: all, changes });
}

const opened: UserAgent[] = [];
const registrars: Registrar[] = [];

/** For `afterEach`. */
export async function closeSides(): Promise<void> {
  for (const registrar of registrars.splice(0)) registrar.close();
  for (const userAgent of opened.splice(0)) await userAgent.close();
}
