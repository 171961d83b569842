import type { ConnectStream } from '../../protocol/svaml/connect-stream.ts';
import type { Config } from '../config.ts';
import type { EndpointGuard } from './endpoint-guard.ts';
import { findRoute, type RouteQuestion } from './static-routes.ts';

export type { RouteQuestion } from './static-routes.ts';

export type RouteDecision =
  | {
      readonly kind: 'action';
      readonly action: ConnectStream;
      /** Literal addresses to connect to, for the destination and then for each fallback endpoint; undefined
       *  where the host may be resolved when the time comes. */
      readonly addresses: readonly (string | undefined)[];
      /** The operator wrote it, so the endpoints were not checked. */
      readonly trusted: boolean;
      /** 183 with SDP in place of 180. Default false. */
      readonly earlyMedia?: boolean;
    }
  /** Nobody is configured for this call. */
  | { readonly kind: 'none' }
  /** `code` is a metric label; the message names the endpoint and the rule. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

/** Who decides where a call goes. */
export interface Router {
  route(question: RouteQuestion): Promise<RouteDecision>;
}

/** Routes of the configuration; what the operator wrote is trusted. Without any, every call gets `none`. */
export function createRouter({ routes = [] }: Pick<Config, 'routes'>): Router {
  return {
    async route(question) {
      const route = findRoute(routes, question);
      if (route?.action === undefined) return { kind: 'none' };
      return { ...trustedDecision(route.action), earlyMedia: route.earlyMedia ?? false };
    },
  };
}

function trustedDecision(action: ConnectStream): RouteDecision {
  return { kind: 'action', action, addresses: endpointsOf(action).map(() => undefined), trusted: true };
}

/** An action that came over the API or a callback: every endpoint of it has to pass the guard. */
export async function untrustedDecision(action: ConnectStream, guard: EndpointGuard): Promise<RouteDecision> {
  const approvals = await Promise.all(endpointsOf(action).map((endpoint) => guard.approve(endpoint)));
  const addresses: string[] = [];
  for (const approval of approvals) {
    if (!approval.approved) return { kind: 'refused', code: approval.code, message: approval.message };
    addresses.push(approval.address);
  }
  return { kind: 'action', action, addresses, trusted: false };
}

function endpointsOf({ destination, streamingOptions }: ConnectStream): readonly string[] {
  return [destination.endpoint, ...streamingOptions.fallbackEndpoints];
}
