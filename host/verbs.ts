/** The contract, carried out by real processes on the volume. */
import type { HostReport } from '../model/wire.ts';
import { apply } from './apply.ts';
import { attach } from './attach.ts';
import { awake } from './awake.ts';
import type { AgentContext } from './context.ts';
import type { AgentVerbs } from './contract.ts';
import { purge } from './purge.ts';
import { listIdentities } from './listing.ts';
import { shutDown } from './shutdown.ts';
import type { Supervision } from './supervise.ts';
import { suspend } from './suspend.ts';
import { create, recycle, warm } from './warm.ts';

export function createVerbs(
  context: AgentContext,
  supervision: Supervision,
  report: () => HostReport,
): AgentVerbs {
  const { identities } = context;
  return {
    attach: (request) => attach(context, supervision, request),
    create: (request) => create(context, supervision, request),
    suspend: (request) => suspend(context, request),
    warm: (request) => warm(context, supervision, request),
    recycle: (ref) => recycle(context, ref),
    apply: (request) => apply(context, request),
    purge: (database) => purge(context, database),
    readIdentity: identities.read,
    async replaceIdentity(database, expectedVersion, document) {
      await context.roles.settle(database);
      return identities.replace(database, expectedVersion, document);
    },
    listIdentities: (after) => listIdentities(context.volume, after),
    awake: (database) => awake(context, database),
    report,
    shutDown: (graceMs) => shutDown(context, graceMs),
  };
}
