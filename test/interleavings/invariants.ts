/** What must hold of index, volume and hosts: at every moment, and once everything has come to rest. */
import type { HostReport } from '../../model/wire.ts';
import { run, slotsInTwoPlaces } from '../support/rows.ts';
import { SLOTS, type World } from './world.ts';

/** The highest epoch of each directory that was ever seen, to see that none goes down. */
export type Minted = Map<string, number>;

interface Row {
  readonly id: string;
  readonly state: string;
  readonly epoch: number;
  readonly assigned: string | null;
  readonly assigned_epoch: number | null;
  readonly deadline: unknown;
}

const ROWS = `
  select d.id, d.state, d.epoch, a.database_id as assigned, a.epoch as assigned_epoch,
         a.deadline::text
    from database d full join assignment a on a.database_id = d.id`;

const HAVE_SLOT = ['starting', 'running', 'suspending'];

/** @returns a sentence for each that is broken. */
export async function brokenNow({ hot, volume }: World, minted: Minted): Promise<string[]> {
  const broken: string[] = [];
  if ((await slotsInTwoPlaces(hot)) > 0) broken.push('a slot is in two places of the index');
  for (const row of await run<Row>(hot, ROWS)) {
    const { id, state, epoch, assigned, assigned_epoch, deadline } = row;
    if (id === null) broken.push(`an assignment of no database: ${assigned}`);
    else if (HAVE_SLOT.includes(state) !== (assigned !== null))
      broken.push(`${id} is ${state} and has ${assigned === null ? 'no' : 'an'} assignment`);
    else if (assigned !== null && assigned_epoch !== epoch)
      broken.push(`${id} has epoch ${epoch}, and its assignment ${assigned_epoch}`);
    else if (['starting', 'suspending'].includes(state) && deadline === null)
      broken.push(`${id} is ${state} without a deadline`);
  }
  for (const { id, epoch } of volume.directories()) {
    if (epoch < (minted.get(id) ?? 0)) broken.push(`the epoch of ${id} went down to ${epoch}`);
    minted.set(id, epoch);
  }
  return broken;
}

const INDEX = `
  select host_id || ' ' || slot || ' vacant' as line from slot_vacant
  union all select host_id || ' ' || slot || ' warm ' || directory from slot_warm
  union all
  select a.host_id || ' ' || a.slot || ' ' || d.state || ' ' || a.database_id || ' ' || a.epoch
    from assignment a join database d on d.id = a.database_id`;

function linesOf(report: HostReport): string[] {
  return Array.from({ length: SLOTS }, (_, i) => {
    const slot = report.slots.find((one) => one.slot === i + 1);
    const what =
      slot === undefined
        ? 'vacant'
        : slot.database === undefined
          ? `${slot.state} ${slot.directory}`
          : `${slot.state} ${slot.database} ${slot.epoch}`;
    return `${report.host} ${i + 1} ${what}`;
  });
}

/** Index and hosts say the same of every slot. @returns each difference. */
export async function differences({ hot, hosts }: World): Promise<string[]> {
  const index = (await run<{ line: string }>(hot, INDEX)).map(({ line }) => line);
  const truth = hosts.flatMap((host) => {
    const report = host.report();
    return report === undefined ? [`${host.host} has no agent`] : linesOf(report);
  });
  return [
    ...index.filter((line) => !truth.includes(line)).map((line) => `index only: ${line}`),
    ...truth.filter((line) => !index.includes(line)).map((line) => `hosts only: ${line}`),
  ];
}

/** What each api believes to run runs, and nothing that runs is unknown to it. */
export function wrongViews({ apis, hosts }: World): string[] {
  const runs = new Map<string, number>();
  for (const host of hosts)
    for (const { database, epoch } of host.report()?.slots ?? [])
      if (database !== undefined) runs.set(database, epoch);
  return apis.flatMap(({ context }, i) => {
    const { running } = context.fleet.size();
    const wrong =
      running === runs.size ? [] : [`api ${i} knows of ${running} and not ${runs.size}`];
    for (const [database, epoch] of runs)
      if (context.fleet.running(database)?.epoch !== epoch)
        wrong.push(`api ${i} does not know that ${database} runs as ${epoch}`);
    return wrong;
  });
}
