/** What the pages of the gateway have in common: light and dark as the reader's system has it, one column on a narrow
 *  window. */
export const pageStyle = `
:root{color-scheme:light dark;--back:#fff;--text:#1c2430;--soft:#5b6676;--line:#d5dbe3;--panel:#f5f7fa;--link:#1d5fa8;--good:#157f3d;--bad:#b91c1c;--busy:#a35200}
@media (prefers-color-scheme:dark){:root{--back:#12171e;--text:#dfe6ee;--soft:#9aa5b4;--line:#36414f;--panel:#1b222c;--link:#7fb6f0;--good:#4ade80;--bad:#f87171;--busy:#fbbf24}}
*{box-sizing:border-box}
body{background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif;margin:0 auto;padding:1rem;overflow-wrap:anywhere}
a{color:var(--link)}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem}
h2{font-size:1.2rem;margin:2rem 0 .6rem}
code,pre,.path{font-family:ui-monospace,monospace;font-size:.9em}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1rem}
table{border-collapse:collapse;width:100%}
td,th{border-top:1px solid var(--line);text-align:left;vertical-align:top}
`;
