/** awake: who woke a database, who keeps it awake, and whether anybody has ever logged in. */
import type { AwakeAnswer } from '../model/wire.ts';
import { listSessions } from '../db/tenant/sessions.ts';
import { addressOf, type AgentContext } from './context.ts';
import { lookInside } from './look.ts';
import { SOCKET_PORT } from './postgres.ts';
import type { Slot } from './slots.ts';

/** Of a caller that waits: a Postgres under load says nothing then. */
const LOOK_MS_MAX = 1_000;

async function sessionsOf(context: AgentContext, database: string, slot: Slot) {
  const { incarnation } = slot;
  if (slot.state !== 'running' || incarnation === undefined) return null;
  const identity = await context.identities.recent(database, LOOK_MS_MAX);
  // A visit of our own is nobody's work.
  return context.guests.visit(incarnation, async () => {
    if (!(await context.visits.isMarked(database))) {
      const { look } = await lookInside(incarnation, SOCKET_PORT, []);
      if (look.sessions > 0 || look.logged_in > 0) await context.visits.mark(database);
    }
    const { sources } = incarnation;
    return listSessions(addressOf(incarnation), identity?.ignore ?? [], sources, LOOK_MS_MAX);
  });
}

/** Bounded in time and in size; a Postgres that does not answer keeps what is known without it. */
export async function awake(context: AgentContext, database: string): Promise<AwakeAnswer> {
  const { slots, visits, wakes, log } = context;
  const slot = slots.byDatabase(database);
  let found: Awaited<ReturnType<typeof sessionsOf>> = null;
  let silent = false;
  try {
    if (slot !== undefined) found = await sessionsOf(context, database, slot);
  } catch (error) {
    silent = true;
    log.warn({ err: error, database }, 'a look at the sessions failed');
  }
  const marked = await visits.isMarked(database);
  return {
    ...slots.version(),
    visited: silent && !marked ? null : marked,
    epoch: slot?.epoch ?? null,
    sessions: found?.sessions ?? null,
    more: found?.more ?? 0,
    ...wakes.of(database, Date.now()),
  };
}
