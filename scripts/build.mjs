// Compiles to dist/ and copies what is not TypeScript beside it.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync } from 'node:fs';

const tsc = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
});
if (tsc.status !== 0) process.exit(tsc.status ?? 1);
for (const assets of ['gateway/ui', 'gateway/assets', 'codecs/wasm']) {
  if (existsSync(assets))
    cpSync(assets, `dist/${assets}`, { recursive: true, filter: (path) => !path.endsWith('.ts') });
}
