/**
 * Jest's own runner with one worker and more patience: files of the `stack` project run one at a
 * time. (The time-out of a project's own settings is not heeded by jest, that of a runner is.)
 */
import jestRunner from 'jest-runner';

const TestRunner = jestRunner.default ?? jestRunner;
const TEST_MS_MAX = 120_000;

export default class SerialRunner extends TestRunner {
  constructor(globalConfig, context) {
    super({ ...globalConfig, maxWorkers: 1, testTimeout: TEST_MS_MAX }, context);
  }
}
