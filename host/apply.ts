/** apply: a migration of the cold plane in a database that runs here. */
import { applyMigration } from '../db/tenant/apply.ts';
import { AppError } from '../model/errors.ts';
import type { ApplyAnswer, ApplyRequest } from '../model/wire.ts';
import { addressOf, checkOpen, type AgentContext } from './context.ts';

/**
 * Idempotent on the name. A stop of the database ends it: demand and a delete never wait for it.
 * @throws AppError `stale_epoch` if that epoch does not run here, `migration_failed` with Postgres'
 * `sqlstate`, `migration_conflict`, `unavailable`, `fenced`, `shutting_down`.
 */
export function apply(context: AgentContext, request: ApplyRequest): Promise<ApplyAnswer> {
  const { slots, guests } = context;
  return guests.inTurn(request.database, async () => {
    checkOpen(context);
    const slot = slots.byDatabase(request.database);
    const incarnation = slot?.incarnation;
    const current = slot?.state === 'running' && slot.epoch === request.epoch;
    if (!current || incarnation?.process.isAlive() !== true)
      throw new AppError('stale_epoch', { detail: 'that epoch does not run here' });
    const outcome = await applyMigration({
      ...request,
      address: addressOf(incarnation),
      lockTimeoutMs: request.lock_timeout_ms,
      statementTimeoutMs: request.statement_timeout_ms,
      visit: (work) => guests.visit(incarnation, work),
    });
    return { ...slots.version(), outcome };
  });
}
