import type { SvamlAction } from '../../protocol/svaml/svaml.ts';
import type { Config } from '../config.ts';
import type { EndpointGuard } from './endpoint-guard.ts';
import { findRoute, type RouteQuestion } from './static-routes.ts';

export type { RouteQuestion } from './static-routes.ts';

export type RouteDecision =
  /** The operator wrote it, so its endpoints are not checked. */
  | {
      readonly kind: 'action';
      readonly action: SvamlAction;
      /** 183 with SDP in place of 180. */
      readonly earlyMedia: boolean;
      /** A REFER of a phone is followed by the gateway itself. */
      readonly followsTransfers: boolean;
    }
  /** An application is asked. */
  | {
      readonly kind: 'application';
      readonly applicationKey: string;
      readonly earlyMedia: boolean;
      readonly followsTransfers: boolean;
    }
  /** Nobody is configured for this call. */
  | { readonly kind: 'none' };

/** Who decides where a call goes. */
export interface Router {
  route(question: RouteQuestion): Promise<RouteDecision>;
}

/** Routes of the configuration; what the operator wrote is trusted. Without any, every call gets `none`. */
export function createRouter({ routes = [] }: Pick<Config, 'routes'>): Router {
  return {
    async route(question) {
      const route = findRoute(routes, question);
      const { action, application, earlyMedia = false, transfers: followsTransfers = false } = route ?? {};
      if (action !== undefined) return { kind: 'action', action, earlyMedia, followsTransfers };
      if (application === undefined) return { kind: 'none' };
      return { kind: 'application', applicationKey: application, earlyMedia, followsTransfers };
    },
  };
}

export type EndpointsApproval =
  /** Literal addresses to connect to, in the order of the endpoints. */
  | { readonly approved: true; readonly addresses: readonly string[] }
  /** `code` is a metric label; the message names the endpoint and the rule. */
  | { readonly approved: false; readonly code: string; readonly message: string };

/** Endpoints of an action that came over the API or a callback: every one of them has to pass the guard. */
export async function approveEndpoints(
  endpoints: readonly string[],
  guard: EndpointGuard,
): Promise<EndpointsApproval> {
  const approvals = await Promise.all(endpoints.map((endpoint) => guard.approve(endpoint)));
  const addresses: string[] = [];
  for (const approval of approvals) {
    if (!approval.approved) return approval;
    addresses.push(approval.address);
  }
  return { approved: true, addresses };
}
