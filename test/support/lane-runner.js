/**
 * Jest's own runner with more patience and two lanes: `temporal` files run one at a time, since each
 * fills the machine with a platform of its own, and beside them `stack` files, first one at a time and
 * then, when the first lane is through, two. (The time-out of a project's own settings is not heeded by jest,
 * that of a runner is.)
 */
import jestRunner from 'jest-runner';

const TestRunner = jestRunner.default ?? jestRunner;
const TEST_MS_MAX = 120_000;

export default class LaneRunner extends TestRunner {
  constructor(globalConfig, context) {
    super({ ...globalConfig, maxWorkers: 1, testTimeout: TEST_MS_MAX }, context);
  }

  async runTests(tests, watcher, options) {
    const isTemporal = (test) => test.context.config.displayName.name === 'temporal';
    const temporal = tests.filter(isTemporal);
    const rest = tests.filter((test) => !isTemporal(test));
    const run = async (next) => {
      for (let test = next(); test !== undefined; test = next())
        await super.runTests([test], watcher, options);
    };
    await Promise.all([run(() => temporal.shift() ?? rest.shift()), run(() => rest.shift())]);
  }
}
