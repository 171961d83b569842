/** One entry of `outbound.allow`: a SIP host, or the beginning of numbers. */
export type OutboundPattern =
  | { readonly kind: 'host'; readonly host: string; readonly port: string | undefined }
  | { readonly kind: 'number'; readonly number: string };

/** `+46*`, `112`, `*.example.com`, `10.0.0.9:5080`, `[2001:db8::1]`; undefined where the text is none. A lone `*` means
 *  every host, `+*` every number. */
export function parseOutboundPattern(text: string): OutboundPattern | undefined {
  if (/^\+[0-9]{0,20}\*?$/.test(text) || /^[0-9]{1,20}\*?$/.test(text))
    return { kind: 'number', number: text };
  const match = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9*?._-]{1,253})(?::([0-9]{1,5}))?$/i.exec(text);
  if (match === null) return undefined;
  return { kind: 'host', host: match[1]!.toLowerCase().replace(/^\[|\]$/g, ''), port: match[2] };
}
