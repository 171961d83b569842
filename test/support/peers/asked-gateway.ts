import type { ConfigInput } from '../../../gateway/config.ts';
import { type CallbackServer, startCallbackServer } from '../callback-server.ts';
import { type GatewayProcess, type GatewayProcessOptions, startGatewayProcess } from './gateway-process.ts';
import type { Processes } from './processes.ts';

export interface AskedGateway {
  readonly gateway: GatewayProcess;
  readonly callbacks: CallbackServer;
  /** Where the call of a name goes; whoever dials `sip:name@…` gets there. */
  readonly endpoints: Map<string, string>;
  /** Of the call of this name, once it came. */
  dice(name: string): Readonly<Record<string, unknown>> | undefined;
}

/** A gateway that asks an application about each call, which so hears how each of them ended. */
export async function startAskedGateway(
  processes: Processes,
  config: ConfigInput,
  options: GatewayProcessOptions & {
    readonly sampleRate?: number;
    readonly instructions?: readonly object[];
  } = {},
): Promise<AskedGateway> {
  const callbacks = await startCallbackServer();
  const endpoints = new Map<string, string>();
  const names = new Map<unknown, string>();
  callbacks.reply = ({ json }) => {
    if (json.event !== 'ice') return {};
    const name = [...endpoints.keys()].find((known) =>
      new RegExp(`\\b${known}\\b`).test(JSON.stringify(json.to)),
    );
    if (name === undefined) return { body: { action: { name: 'hangup' } } };
    names.set(json.callid, name);
    const destination = { type: 'Websocket', endpoint: endpoints.get(name) };
    const streamingOptions = { sampleRate: options.sampleRate ?? 16_000 };
    const { instructions = [] } = options;
    return { body: { instructions, action: { name: 'connectStream', destination, streamingOptions } } };
  };
  const key = 'faults';
  const secret = Buffer.from('faults-of-tests!').toString('base64');
  const gateway = await startGatewayProcess(
    processes,
    {
      ...config,
      applications: [{ key, secret, callbackUrl: `${callbacks.url}/callback` }],
      routes: [{ to: '*', application: key }],
      stream: {
        ...config.stream,
        endpoints: { allow: ['ws://127.0.0.1:*', 'wss://127.0.0.1:*', 'ws://localhost:*'] },
      },
    } as ConfigInput,
    options,
  );
  return {
    gateway,
    callbacks,
    endpoints,
    dice: (name) =>
      callbacks.requests.find(({ json }) => json.event === 'dice' && names.get(json.callid) === name)?.json,
  };
}
