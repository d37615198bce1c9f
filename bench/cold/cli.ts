/** Temporal's command line against one server: what an operator has, so that benches use no more. */
import { execFile } from 'node:child_process';
import { childEnvironment } from '../../lib/environment.ts';
import { NAMESPACE, queueOf, type WorkflowType } from '../../model/cold/names.ts';

const CALL_MS = 30_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

export interface TemporalCli {
  /** @returns standard output. @throws Error with what the program says. */
  readonly run: (...args: readonly string[]) => Promise<string>;
  /** Starts it; a run of this id that is under way already is joined. */
  readonly start: (type: WorkflowType, id: string, input: unknown) => Promise<void>;
  /** @returns such as `RUNNING`, `COMPLETED`; undefined if there is none. */
  readonly status: (id: string) => Promise<string | undefined>;
  /** Of one that has completed. */
  readonly result: <T>(id: string) => Promise<T>;
  readonly update: (id: string, name: string, input: unknown) => Promise<void>;
  readonly isPaused: (schedule: string) => Promise<boolean>;
  readonly schedules: () => Promise<readonly string[]>;
}

interface Described {
  readonly workflowExecutionInfo: { readonly status: string };
}

export function createCli(program: string, address: string): TemporalCli {
  const run = (...args: readonly string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      const options = {
        env: childEnvironment({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: NAMESPACE }),
        timeout: CALL_MS,
        maxBuffer: OUTPUT_BYTES_MAX,
      };
      execFile(program, args, options, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else
          reject(new Error(`temporal ${args.slice(0, 2).join(' ')}: ${stderr || error.message}`));
      });
    });

  const json = async <T>(...args: readonly string[]): Promise<T> =>
    JSON.parse(await run(...args, '-o', 'json')) as T;

  return {
    run,
    async start(type, id, input) {
      await run(
        ...['workflow', 'start', '--type', type, '--task-queue', queueOf(type)],
        ...['--workflow-id', id, '--id-conflict-policy', 'UseExisting'],
        ...['--input', JSON.stringify(input)],
      );
    },
    async status(id) {
      const described = await json<Described>('workflow', 'describe', '-w', id).catch(
        (error: unknown) => {
          if (String(error).includes('not found')) return undefined;
          throw error;
        },
      );
      return described?.workflowExecutionInfo.status.replace('WORKFLOW_EXECUTION_STATUS_', '');
    },
    async result<T>(id: string) {
      const { result } = await json<{ readonly result: T }>('workflow', 'result', '-w', id);
      return result;
    },
    async update(id, name, input) {
      await run(
        ...['workflow', 'update', 'execute', '-w', id, '--name', name],
        ...['--input', JSON.stringify(input)],
      );
    },
    async isPaused(schedule) {
      const { schedule: found } = await json<{ schedule: { state: { paused?: boolean } } }>(
        ...['schedule', 'describe', '-s', schedule],
      );
      return found.state.paused === true;
    },
    async schedules() {
      const list = await json<readonly { readonly scheduleId: string }[]>('schedule', 'list');
      return list.map(({ scheduleId }) => scheduleId);
    },
  };
}
