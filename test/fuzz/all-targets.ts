import { mediaTargets } from './media-targets.ts';
import { sipTargets } from './sip-targets.ts';
import type { FuzzTarget } from './target.ts';
import { textTargets } from './text-targets.ts';

export const allTargets: readonly FuzzTarget[] = [...sipTargets, ...mediaTargets, ...textTargets];
