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
  /** As the server has it. */
  readonly describe: (id: string) => Promise<DescribedRun | undefined>;
  readonly isPaused: (schedule: string) => Promise<boolean>;
  /** Its definition and its state, not what it has done. */
  readonly schedule: (id: string) => Promise<unknown>;
  readonly schedules: () => Promise<readonly string[]>;
}

/** The newest run of an id. */
export interface DescribedRun {
  /** Such as `RUNNING`, `COMPLETED`. */
  readonly status: string;
  /** Milliseconds since the epoch; Infinity while it runs. */
  readonly started_ms: number;
  readonly closed_ms: number;
}

interface Described {
  readonly workflowExecutionInfo: {
    readonly status: string;
    readonly startTime: string;
    readonly closeTime?: string;
  };
}

interface DescribedSchedule {
  readonly schedule: { readonly state: { readonly paused?: boolean } };
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

  async function describe(id: string): Promise<DescribedRun | undefined> {
    const described = await json<Described>('workflow', 'describe', '-w', id).catch(
      (error: unknown) => {
        if (String(error).includes('not found')) return undefined;
        throw error;
      },
    );
    if (described === undefined) return undefined;
    const { status, startTime, closeTime } = described.workflowExecutionInfo;
    return {
      status: status.replace('WORKFLOW_EXECUTION_STATUS_', ''),
      started_ms: Date.parse(startTime),
      closed_ms: closeTime === undefined ? Infinity : Date.parse(closeTime),
    };
  }

  const describeSchedule = (id: string): Promise<DescribedSchedule> =>
    json<DescribedSchedule>('schedule', 'describe', '-s', id);

  return {
    run,
    async start(type, id, input) {
      await run(
        ...['workflow', 'start', '--type', type, '--task-queue', queueOf(type)],
        ...['--workflow-id', id, '--id-conflict-policy', 'UseExisting'],
        ...['--input', JSON.stringify(input)],
      );
    },
    describe,
    status: async (id) => (await describe(id))?.status,
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
    isPaused: async (id) => (await describeSchedule(id)).schedule.state.paused === true,
    schedule: async (id) => (await describeSchedule(id)).schedule,
    async schedules() {
      const list = await json<readonly { readonly scheduleId: string }[]>('schedule', 'list');
      return list.map(({ scheduleId }) => scheduleId);
    },
  };
}
