/** What is said of a connection, in the log and in the event feed; never used to decide anything. Pure. */
import { plainText } from '../lib/plain-text.ts';
import type { AccessAnswer, Cause } from '../model/wire.ts';
import { networkOf } from './attempts.ts';
import type { Reached } from './reach.ts';
import type { Login } from './startup.ts';

export interface Story {
  login: Login | undefined;
  source: string;
  /** Monotonic milliseconds at the end of each stage. */
  readonly marks: { startup?: number; auth?: number; wake?: number; dial?: number };
  /** Milliseconds that the proof waited for the access entry; a part of `auth`. */
  accessMs: number | undefined;
  begun: number;
  reached: Reached | undefined;
}

export const roundMs = (ms: number): number => Math.round(ms * 100) / 100;

/** Milliseconds of each stage: from the end of the one before. */
function stagesOf(story: Story): Record<string, number> {
  const out: Record<string, number> = {};
  let before = story.begun;
  for (const name of ['startup', 'auth', 'wake', 'dial'] as const) {
    const at = story.marks[name];
    if (at === undefined) continue;
    out[`${name}_ms`] = roundMs(at - before);
    before = at;
  }
  return out;
}

/** For a line of the log. */
export function storyFacts(
  story: Story,
  tls: string | undefined,
  access: { readonly peek: (database: string) => AccessAnswer | undefined },
): Record<string, unknown> {
  const database = story.login?.database;
  return {
    database,
    tenant: database === undefined ? undefined : access.peek(database)?.tenant,
    source: story.source,
    tls,
    ...stagesOf(story),
    access_ms: story.accessMs,
    cold_start: story.reached?.coldStart,
    epoch: story.reached?.epoch,
  };
}

/** What a name of a client's takes in Postgres (NAMEDATALEN - 1); what is beyond, Postgres cuts off. */
const NAME_MAX = 63;

/** Names that nobody has proven are not passed on. */
export function causeOf({ login, source, marks }: Story): Cause {
  if (login === undefined || marks.auth === undefined) return { source: networkOf(source) };
  const { role, applicationName: name } = login;
  return {
    ...{ role: plainText(role, NAME_MAX), source },
    ...(name === undefined ? {} : { application_name: plainText(name, NAME_MAX) }),
  };
}
