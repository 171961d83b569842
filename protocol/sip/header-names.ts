/** Spelling of SIP header names: canonical form, compact form, and whether a line may carry several values.
 *  RFC 3261 §7.3 and §20, and the extensions named beside their rows. */

export interface HeaderName {
  readonly canonical: string;
  /** Several values may stand in one line, separated by commas (`#` in the grammar). */
  readonly list: boolean;
}

interface Row {
  readonly canonical: string;
  readonly compact?: string;
  readonly list?: true;
}

// Authorization, WWW-Authenticate and their kin hold commas but are no lists (RFC 3261 §7.3.1); nor are Date and Subject.
const rows: readonly Row[] = [
  { canonical: 'Via', compact: 'v', list: true },
  { canonical: 'Max-Forwards' },
  { canonical: 'From', compact: 'f' },
  { canonical: 'To', compact: 't' },
  { canonical: 'Call-ID', compact: 'i' },
  { canonical: 'CSeq' },
  { canonical: 'Contact', compact: 'm', list: true },
  { canonical: 'Content-Length', compact: 'l' },
  { canonical: 'Content-Type', compact: 'c' },
  { canonical: 'Route', list: true },
  { canonical: 'Record-Route', list: true },
  { canonical: 'Accept', list: true },
  { canonical: 'Accept-Encoding', list: true },
  { canonical: 'Accept-Language', list: true },
  { canonical: 'Alert-Info', list: true },
  { canonical: 'Allow', list: true },
  { canonical: 'Allow-Events', compact: 'u', list: true }, // RFC 6665
  { canonical: 'Authentication-Info' },
  { canonical: 'Authorization' },
  { canonical: 'Call-Info', list: true },
  { canonical: 'Content-Disposition' },
  { canonical: 'Content-Encoding', compact: 'e', list: true },
  { canonical: 'Content-Language', list: true },
  { canonical: 'Date' },
  { canonical: 'Diversion', list: true }, // RFC 5806
  { canonical: 'Error-Info', list: true },
  { canonical: 'Event', compact: 'o' }, // RFC 6665
  { canonical: 'Expires' },
  { canonical: 'History-Info', list: true }, // RFC 7044
  { canonical: 'Identity', compact: 'y' }, // RFC 8224
  { canonical: 'In-Reply-To', list: true },
  { canonical: 'MIME-Version' },
  { canonical: 'Min-Expires' },
  { canonical: 'Min-SE' }, // RFC 4028
  { canonical: 'Organization' },
  { canonical: 'P-Asserted-Identity', list: true }, // RFC 3325
  { canonical: 'P-Preferred-Identity', list: true }, // RFC 3325
  { canonical: 'Path', list: true }, // RFC 3327
  { canonical: 'Priority' },
  { canonical: 'Privacy' }, // RFC 3323
  { canonical: 'Proxy-Authenticate' },
  { canonical: 'Proxy-Authorization' },
  { canonical: 'Proxy-Require', list: true },
  { canonical: 'RAck' }, // RFC 3262
  { canonical: 'RSeq' }, // RFC 3262
  { canonical: 'Reason', list: true }, // RFC 3326
  { canonical: 'Refer-Sub' }, // RFC 4488
  { canonical: 'Refer-To', compact: 'r' }, // RFC 3515
  { canonical: 'Referred-By', compact: 'b' }, // RFC 3892
  { canonical: 'Replaces' }, // RFC 3891
  { canonical: 'Reply-To' },
  { canonical: 'Request-Disposition', compact: 'd', list: true }, // RFC 3841
  { canonical: 'Accept-Contact', compact: 'a', list: true }, // RFC 3841
  { canonical: 'Reject-Contact', compact: 'j', list: true }, // RFC 3841
  { canonical: 'Require', list: true },
  { canonical: 'Retry-After' },
  { canonical: 'Server' },
  { canonical: 'Service-Route', list: true }, // RFC 3608
  { canonical: 'Session-Expires', compact: 'x' }, // RFC 4028
  { canonical: 'Session-ID' }, // RFC 7989
  { canonical: 'Subject', compact: 's' },
  { canonical: 'Subscription-State' }, // RFC 6665
  { canonical: 'Supported', compact: 'k', list: true },
  { canonical: 'Timestamp' },
  { canonical: 'Unsupported', list: true },
  { canonical: 'User-Agent' },
  { canonical: 'User-to-User', list: true }, // RFC 7433
  { canonical: 'WWW-Authenticate' },
  { canonical: 'Warning', list: true },
];

const known = new Map<string, HeaderName>();
/** By length and first letter: a handful of names at most share a place. */
const canonicalByShape: (HeaderName[] | undefined)[] = [];
for (const { canonical, compact, list } of rows) {
  const entry: HeaderName = { canonical, list: list === true };
  known.set(canonical.toLowerCase(), entry);
  if (compact !== undefined) known.set(compact, entry);
  const shape = shapeOf(canonical, 0, canonical.length);
  canonicalByShape[shape] ??= [];
  canonicalByShape[shape].push(entry);
}

/** The entry of the header named by `text[start … end]` in any case, long or compact; undefined for an unknown one.
 *  The usual spelling is found without a copy of it. */
export function knownHeader(text: string, start: number, end: number): HeaderName | undefined {
  const sameShape = end - start < 32 ? canonicalByShape[shapeOf(text, start, end)] : undefined;
  if (sameShape !== undefined) {
    for (const entry of sameShape) if (text.startsWith(entry.canonical, start)) return entry;
  }
  return known.get(text.slice(start, end).toLowerCase());
}

function shapeOf(text: string, start: number, end: number): number {
  return (end - start) * 32 + (text.charCodeAt(start) & 31);
}
