/**
 * How a simulated agent misbehaves when it is asked to: late, lost, twice, refused. Lost is what the
 * caller sees of a broken connection: it can not know whether the work was done.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, type ErrorCode } from '../model/errors.ts';

export const FAULT_KINDS = [
  /** The work is done `ms` later. */
  'delay',
  /** The request never arrives. */
  'lose_request',
  /** The work is done, and its answer never arrives. */
  'lose_answer',
  /** The request arrives twice; the second answer counts. */
  'duplicate',
  /** The agent refuses with `code`. */
  'refuse',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  /** The verb that it befalls: `attach`, `suspend`, … */
  readonly verb: string;
  readonly kind: FaultKind;
  readonly ms?: number;
  readonly code?: ErrorCode;
}

export interface Faults {
  /** Befalls the next call of its verb; several of one verb befall it one after the other. */
  readonly add: (fault: Fault) => void;
  readonly clear: () => void;
  readonly around: <T>(verb: string, work: () => Promise<T>) => Promise<T>;
}

async function befall<T>(fault: Fault, work: () => Promise<T>): Promise<T> {
  switch (fault.kind) {
    case 'delay':
      await sleep(fault.ms ?? 0);
      return work();
    case 'lose_request':
      throw new AppError('unavailable', { detail: 'lost on the way there' });
    case 'lose_answer':
      await work().catch(() => undefined);
      throw new AppError('unavailable', { detail: 'lost on the way back' });
    case 'duplicate':
      await work().catch(() => undefined);
      return work();
    case 'refuse':
      throw new AppError(fault.code ?? 'start_failed', { detail: 'as it was told to' });
  }
}

export function createFaults(): Faults {
  const coming: Fault[] = [];
  return {
    add: (fault) => void coming.push(fault),
    clear: () => void coming.splice(0),
    around(verb, work) {
      const at = coming.findIndex((fault) => fault.verb === verb);
      const [fault] = at < 0 ? [] : coming.splice(at, 1);
      return fault === undefined ? work() : befall(fault, work);
    },
  };
}
