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
