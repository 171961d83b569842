import type { Route } from '../config.ts';
import { globMatches } from './glob.ts';

/** User parts of the called and of the calling URI. */
export interface RouteQuestion {
  readonly to: string;
  readonly from: string;
}

/** The first route whose patterns both fit. */
export function findRoute(routes: readonly Route[], { to, from }: RouteQuestion): Route | undefined {
  return routes.find((route) => globMatches(route.to, to) && globMatches(route.from, from));
}

/** The routes of a gateway that has none configured: `tone` to the tone bot, all else to the echo bot. */
export function embeddedRoutes(bots: {
  readonly echoUrl: string;
  readonly toneUrl: string;
}): readonly Route[] {
  return [
    { to: 'tone', from: '*', action: connectStream(bots.toneUrl) },
    { to: 'echo', from: '*', action: connectStream(bots.echoUrl) },
    { to: '*', from: '*', action: connectStream(bots.echoUrl) },
  ];
}

function connectStream(endpoint: string): Route['action'] {
  return {
    name: 'connectStream',
    destination: { type: 'Websocket', endpoint },
    streamingOptions: { version: 1, sampleRate: 16_000, dialect: 'sinch', fallbackEndpoints: [] },
    maxDuration: 14_400,
    callHeaders: [],
  };
}
