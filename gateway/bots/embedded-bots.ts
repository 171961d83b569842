import { type Bot, startBot } from './bot.ts';

/** The bots behind the routes of a gateway that was configured with none. */
export interface EmbeddedBots {
  /** In the order in which they are matched. */
  readonly routes: readonly { readonly to: string; readonly endpoint: string }[];
  close(): Promise<void>;
}

/** An echo and a 1 kHz tone, on loopback ports that the system chooses. */
export async function startEmbeddedBots(): Promise<EmbeddedBots> {
  const bots: Bot[] = [];
  try {
    for (const kind of ['echo', 'tone'] as const) bots.push(await startBot({ kind }));
  } catch (error) {
    await closeAll(bots);
    throw error;
  }
  const [echo, tone] = bots;
  return {
    routes: [
      { to: 'echo', endpoint: echo!.url },
      { to: 'tone', endpoint: tone!.url },
      { to: '*', endpoint: echo!.url },
    ],
    close: () => closeAll(bots),
  };
}

async function closeAll(bots: readonly Bot[]): Promise<void> {
  await Promise.all(bots.map((bot) => bot.close()));
}
