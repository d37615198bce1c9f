/**
 * Lets Temporal's SDK download its own server: `node dev/temporal-download.mjs <folder> <release>`.
 * The SDK downloads only to start it, so it is started once on free ports and ended. A program of its
 * own, so that nothing else loads the SDK.
 */
import { TestWorkflowEnvironment } from '@temporalio/testing';

const [downloadDir, version] = process.argv.slice(2);

try {
  const environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'cached-download', downloadDir, version } },
  });
  await environment.teardown();
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${text.split('\n')[0]}\n`);
  process.exitCode = 1;
}
