/**
 * What the tests must notice: one mutant for each rule that interleavings taught (docs/spec.md), an edit that
 * takes one guard away. `shownBy`: the file of tests, and a part of the test's name, that is to fail.
 */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** What is replaced where it stands first, and by what. */
  readonly edits: readonly (readonly [found: string, put: string])[];
  readonly shownBy: readonly [file: string, test: string];
}

const CLAIMS = 'db/hot/migrations/0007_claims.sql';
const VERBS = 'db/hot/migrations/0008_verbs.sql';
const GATHER = 'db/hot/migrations/0006_gather.sql';
const SYNC = 'db/hot/migrations/0016_host_sync_linear.sql';
const LOOK = 'db/hot/migrations/0015_look_again.sql';
const TABLE: Mutant['shownBy'] = ['test/db/state-table.db.test.ts', 'carry out the table'];

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a suspend is not fenced by its epoch',
    file: VERBS,
    edits: [
      [
        "where b.id = the_id and b.epoch = the_epoch and b.state = 'running'",
        "where b.id = the_id and b.state = 'running'",
      ],
    ],
    shownBy: TABLE,
  },
  {
    name: 'the end of an earlier epoch vacates the slot of a later one',
    file: VERBS,
    edits: [
      [
        "where b.id = the_id and b.epoch = the_epoch and b.state in ('running', 'suspending')",
        "where b.id = the_id and b.state in ('running', 'suspending')",
      ],
      ['and a.epoch = the_epoch\n    returning a.host_id', '\n    returning a.host_id'],
    ],
    shownBy: TABLE,
  },
  {
    name: 'a claim takes as many slots as there are hosts to look at',
    file: CLAIMS,
    edits: [
      [
        '      limit 1) s\n     limit 1\n  ), w as materialized',
        '      limit 1) s\n  ), w as materialized',
      ],
    ],
    shownBy: ['test/db/claim.db.test.ts', 'takes one slot'],
  },
  {
    name: 'a claim takes its slot whether or not the database is there to be started',
    file: CLAIMS,
    edits: [
      [
        "and (b.state = 'suspended' or (b.state = 'broken' and (force or b.retry_at <= now())))",
        '',
      ],
      [
        'where b.id = d.id and (exists (select from v)',
        "where b.id = d.id and b.state = 'suspended' and (exists (select from v)",
      ],
    ],
    shownBy: ['test/db/claim.db.test.ts', ''],
  },
  {
    name: 'an epoch keeps the address of the one before',
    file: VERBS,
    edits: [
      [
        'set epoch = e.epoch, boot = null, version = null, socket = null, port = null,',
        'set epoch = e.epoch,',
      ],
    ],
    shownBy: ['test/db/state-table.db.test.ts', 'without the address'],
  },
  {
    name: 'an api routes to an older epoch that it hears of later',
    file: 'model/fleet.ts',
    edits: [['if (known !== undefined && known.epoch > running.epoch) return;', '']],
    shownBy: ['test/model/fleet.unit.test.ts', ''],
  },
  {
    name: 'a refill counts only what is ready, not what is being built',
    file: 'activities/pool.ts',
    edits: [["(slot.state === 'warm' || slot.state === 'building')", "slot.state === 'warm'"]],
    shownBy: ['test/workers/pool.temporal.test.ts', ''],
  },
  {
    name: 'nothing locks a directory',
    file: 'host/lock.ts',
    edits: [
      ['if (flock(fd, LOCK_EX_NB) === 0) return true;', 'if (flock(fd, 0) <= 0) return true;'],
    ],
    shownBy: ['test/host/lock.stack.test.ts', ''],
  },
  {
    name: 'a lock file that was made anew has two holders',
    file: 'host/lock.ts',
    edits: [
      [
        'return held.ino === named.ino && held.dev === named.dev;',
        'return held.dev === named.dev;',
      ],
    ],
    shownBy: ['test/host/lock.stack.test.ts', ''],
  },
  {
    name: 'nobody waits for the heartbeat of a host that is gone',
    file: 'host/heartbeat.ts',
    edits: [
      ['?? watchingSince) >= HEARTBEAT_LOST_MS', '?? watchingSince) >= HEARTBEAT_LOST_MS / 100'],
    ],
    shownBy: ['test/host/two-hosts.stack.test.ts', 'is waited for until its heartbeat'],
  },
  {
    name: 'an agent gives away a slot that is taken',
    file: 'host/slots.ts',
    edits: [["if (taken.has(keyOf(slot))) throw new AppError('slot_taken');", '']],
    shownBy: ['test/host/epoch.stack.test.ts', 'that is taken is refused'],
  },
  {
    name: 'an agent mints an epoch that was used',
    file: 'host/holding.ts',
    edits: [
      ['if (epoch > last.epoch) return epoch;', 'return epoch;'],
      ['if (epoch <= last.epoch) throw', 'if (false) throw'],
    ],
    shownBy: ['test/host/epoch.stack.test.ts', 'an epoch'],
  },
  {
    name: 'an older identity document replaces a newer one',
    file: LOOK,
    edits: [["and d.identity_version < (doc ->> 'version')::bigint", '']],
    shownBy: ['test/db/resize.db.test.ts', 'older than what is known'],
  },
  {
    name: 'an event is held as often as it is sent',
    file: 'db/hot/migrations/0019_sessions.sql',
    edits: [['e.host, e.boot, e.seq, e.kind', "e.host, e.boot, nextval('event_hot_seq'), e.kind"]],
    shownBy: ['test/db/host-sync.db.test.ts', 'held once however often'],
  },
  {
    name: 'a report that is not newer is taken',
    file: SYNC,
    edits: [
      [
        'where (host.boot, host.version) < (excluded.boot, excluded.version)\n',
        'where (host.boot, host.version) >= (excluded.boot, excluded.version)\n       or (host.boot, host.version) < (excluded.boot, excluded.version)\n',
      ],
    ],
    shownBy: ['test/db/host-sync.db.test.ts', 'dropped whole'],
  },
  {
    name: 'a report ends an assignment that is newer than itself',
    file: SYNC,
    edits: [['and (a.boot, a.version) < (the_boot, the_version)', '']],
    shownBy: ['test/db/host-sync.db.test.ts', 'clears nothing'],
  },
  {
    name: 'a report ends an assignment that is being made',
    file: SYNC,
    edits: [
      [
        "and d.state = 'running'\n       and d.epoch = a.epoch\n       and (a.boot, a.version) < (the_boot, the_version)",
        'and d.epoch = a.epoch',
      ],
    ],
    shownBy: ['test/db/host-sync.db.test.ts', 'being made'],
  },
  {
    name: 'a start raises the epoch of a database that runs well',
    file: VERBS,
    edits: [["(b.state = 'running' and b.epoch = stale_epoch)", "b.state = 'running'"]],
    shownBy: TABLE,
  },
  {
    name: 'a start that another holds off leaves its claim',
    file: VERBS,
    edits: [
      [
        'delete from assignment x using d where x.database_id = d.id\n    returning x.host_id\n  )\n  insert into resync select a.host_id from a union',
        'select x.host_id from assignment x join d on x.database_id = d.id\n  )\n  insert into resync select a.host_id from a union',
      ],
    ],
    shownBy: ['test/interleavings/interleavings.db.test.ts', ''],
  },
  {
    name: 'statements that go together wait for locks',
    file: GATHER,
    edits: [
      ['order by b.id for update skip locked\n  ), p as', 'order by b.id for update\n  ), p as'],
    ],
    shownBy: ['test/db/gather.db.test.ts', 'keep none of the others waiting'],
  },
  {
    name: 'a suspend does not wait until the index was told of the start',
    file: 'api/suspend.ts',
    edits: [['await fleet.told(database);', '']],
    shownBy: ['test/api/suspend-at-once.db.test.ts', 'tells the index first'],
  },
  {
    name: 'a database is suspended while somebody works in it',
    file: 'host/suspend.ts',
    edits: [
      [
        "      if (found.verdict !== 'idle') return {",
        '      if (found.verdict === undefined) return {',
      ],
    ],
    shownBy: ['test/host/suspend.stack.test.ts', ''],
  },
  {
    name: 'a host is not heard again after an undelete',
    file: LOOK,
    edits: [['select a.host_id from a union select u.host_id from u', 'select a.host_id from a']],
    shownBy: ['test/api/last-word.db.test.ts', 'taken back is known to run'],
  },
  {
    name: 'a delete does not see what was assigned while it waited',
    file: LOOK,
    edits: [["  select from database d where d.id = doc ->> 'id' for update;\n", '']],
    shownBy: ['test/db/look-again.db.test.ts', 'a delete leaves none behind'],
  },
  {
    name: 'whoever ran it before a deadline is not heard again',
    file: LOOK,
    edits: [['    union select late.last_host from late where late.last_host is not null\n', '']],
    shownBy: ['test/api/last-word.db.test.ts', 'never minted is taken back'],
  },
  {
    name: 'whoever ran it before a start that failed is not heard again',
    file: LOOK,
    edits: [
      [
        ' union select d.last_host from d where d.last_host is not null\n  )\n  select d.state',
        '\n  )\n  select d.state',
      ],
    ],
    shownBy: ['test/db/look-again.db.test.ts', 'after a start that failed'],
  },
  {
    name: 'whoever ran what was to run in a slot that is taken is not heard again',
    file: SYNC,
    edits: [
      [
        'insert into resync select distinct d.last_host from d where d.last_host is not null;',
        'insert into resync select d.last_host from d where false;',
      ],
    ],
    shownBy: ['test/db/look-again.db.test.ts', 'in which another runs'],
  },
  {
    name: 'a host is not heard again after a suspend of which nobody knows what it did',
    file: LOOK,
    edits: [
      [
        'insert into resync select a.host_id from a;',
        'insert into resync select a.host_id from a where false;',
      ],
    ],
    shownBy: ['test/db/look-again.db.test.ts', 'nobody knows what it did'],
  },
  {
    name: 'a report from before an end brings it back into memory',
    file: 'model/fleet.ts',
    edits: [['if ((memory.over.get(running.database)?.epoch ?? 0) >= running.epoch) return;', '']],
    shownBy: ['test/model/fleet.unit.test.ts', 'is not undone by a report'],
  },
  {
    name: 'a start without an epoch may come late',
    file: 'host/attach.ts',
    edits: [['checkSyncToken(request.sync_token, context.slots.version().boot);', '']],
    shownBy: ['test/host/contract.stack.test.ts', ''],
  },
  {
    name: 'a start without an epoch starts what runs',
    file: 'host/attach.ts',
    edits: [['if (isWell && asked === undefined)', 'if (isWell && asked === 0)']],
    shownBy: ['test/host/contract.stack.test.ts', ''],
  },
  {
    name: 'nothing starts while the index is away',
    file: 'api/attempt.ts',
    edits: [
      ['() => attemptAnywhere(deps, call)', '() => Promise.reject(new AppError("unavailable"))'],
    ],
    shownBy: ['test/api/away.stack.test.ts', ''],
  },
  {
    name: 'a database may outgrow its size',
    file: 'host/storage.ts',
    edits: [['const isOver = mib > limitMib;', 'const isOver = mib < 0 && limitMib > 0;']],
    shownBy: ['test/host/storage.stack.test.ts', 'outgrows its size'],
  },
];
