import { callingRoutes } from './calling-routes.ts';
import { documentRoutes } from './document-routes.ts';
import { gatewayRoutes } from './gateway-routes.ts';
import type { HttpRoute } from './http-exchange.ts';

/** Which HTTP calls exist. */
export const httpRoutes: readonly HttpRoute[] = [
  ...callingRoutes,
  ...gatewayRoutes,
  ...documentRoutes(() => httpRoutes),
];
