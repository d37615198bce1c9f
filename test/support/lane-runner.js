/**
 * Jest's own runner with more patience and a lane for each project that has it: files of one lane run
 * one at a time, the lanes beside each other, since a file of `temporal` mostly waits. (The time-out of
 * a project's own settings is not heeded by jest, that of a runner is.)
 */
import jestRunner from 'jest-runner';

const TestRunner = jestRunner.default ?? jestRunner;
const TEST_MS_MAX = 120_000;

export default class LaneRunner extends TestRunner {
  constructor(globalConfig, context) {
    super({ ...globalConfig, maxWorkers: 1, testTimeout: TEST_MS_MAX }, context);
  }

  async runTests(tests, watcher, options) {
    const lanes = new Map();
    for (const test of tests) {
      const { id } = test.context.config;
      lanes.set(id, [...(lanes.get(id) ?? []), test]);
    }
    await Promise.all([...lanes.values()].map((lane) => super.runTests(lane, watcher, options)));
  }
}
