/** True for an IPv6 address without brackets and zone. RFC 4291 §2.2. */
export function isIPv6Address(text: string): boolean {
  if (text.length < 2 || text.length > 45) return false;
  const halves = text.split('::');
  if (halves.length > 2) return false;
  const left = countGroups(halves[0]!, halves.length === 1);
  if (halves.length === 1) return left === 8;
  const right = countGroups(halves[1]!, true);
  return left >= 0 && right >= 0 && left + right <= 7;
}

/** True for four decimal numbers. */
export function isIPv4Address(text: string): boolean {
  const parts = text.split('.', 5);
  return (
    parts.length === 4 && parts.every((part) => /^(?:0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)
  );
}

/** Groups of 16 bits between the colons, -1 if one is none. An IPv4 address may stand last and counts for two. */
function countGroups(text: string, isLast: boolean): number {
  if (text === '') return 0;
  const groups = text.split(':');
  let count = 0;
  for (const [index, group] of groups.entries()) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(group)) count += 1;
    else if (isLast && index === groups.length - 1 && isIPv4Address(group)) count += 2;
    else return -1;
  }
  return count;
}
