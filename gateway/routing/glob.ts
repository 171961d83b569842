/** Whether all of `text` fits `pattern`, in which `*` stands for any characters and `?` for one; case counts.
 *  At most `pattern.length * text.length` steps, whatever the pattern: only the last `*` is ever tried again. */
export function globMatches(pattern: string, text: string): boolean {
  let at = 0;
  let inPattern = 0;
  let star = -1;
  let starAt = 0;
  while (at < text.length) {
    const wanted = pattern[inPattern];
    if (wanted === '*') {
      star = inPattern++;
      starAt = at;
    } else if (wanted === '?' || (wanted !== undefined && wanted === text[at])) {
      inPattern++;
      at++;
    } else if (star >= 0) {
      inPattern = star + 1;
      at = ++starAt;
    } else {
      return false;
    }
  }
  while (pattern[inPattern] === '*') inPattern++;
  return inPattern === pattern.length;
}
