/** `node dist/workers/build-bundle.js`: makes dist/workflow-bundle.js if it is not up to date. */
import { runMain } from '../lib/shutdown.ts';
import { ensureBundle } from './bundle.ts';

runMain('bundle', async () => {
  await ensureBundle();
});
