/** Every limit of the hot path that is not a setting. Times in milliseconds, sizes in bytes. */

/** A request's body; a sync of a full host is the largest. */
export const BODY_BYTES_MAX = 4 * 1024 * 1024;
/** A body from a customer or operator. */
export const REQUEST_BYTES_MAX = 64 * 1024;

/** From spawn to ready. Crash recovery may take long; the caller's own patience ends earlier. */
export const POSTGRES_READY_MS_MAX = 60_000;
/** From SIGINT until the agent resorts to SIGKILL; the next start then recovers. */
export const POSTGRES_STOP_MS_MAX = 30_000;
/** How long the api waits for an agent's attach before the caller is told `waking`. */
export const ATTACH_MS_MAX = 20_000;
/** How long the api waits for any other answer of an agent. */
export const AGENT_CALL_MS_MAX = 5_000;
/** How long a transition state may last before the sweep takes it back (docs/spec.md). */
export const STARTING_MS_MAX = 30_000;
export const SUSPENDING_MS_MAX = 40_000;

/**
 * Vacant slots of a size, per live host, that maintenance leaves to demand: it claims only while more
 * are vacant. Two a host, so that a burst of wakes finds room on whichever host it is sent to.
 */
export const VACANT_FLOOR_PER_HOST = 2;

/** Agents send their whole state this often, and at once after a change. */
export const SYNC_MS = 1_000;
/** A host that has not synced for this long gets no new work. */
export const HOST_SILENT_MS = 3_500;

/** The heartbeat on the volume: renewed, too old for its own agent, too old for the others. */
export const HEARTBEAT_MS = 1_000;
export const HEARTBEAT_FENCE_MS = 5_000;
export const HEARTBEAT_LOST_MS = 8_000;

/** Restarts in place of a crashing Postgres within the window, before it is left down. */
export const CRASH_RESTARTS_MAX = 3;
export const CRASH_WINDOW_MS = 60_000;

/** MAX_STARTUP_PACKET_LENGTH: src/include/libpq/pqcomm.h of Postgres. */
export const STARTUP_BYTES_MAX = 10_000;
/** From a client's connect to its last message of the login. */
export const LOGIN_MS_MAX = 15_000;
/** A refused login leaves this long after the client's last message, whatever was wrong. */
export const LOGIN_REFUSED_MS = 250;
/** SCRAM iterations of every verifier that we make, and of the mock exchange. */
export const SCRAM_ITERATIONS = 4096;
/** False logins of one source into one database as one role: at once, and in the long run. */
export const LOGIN_FAILURES_BURST = 100;
export const LOGIN_FAILURES_PER_SECOND = 10;
/** An access entry older than this is revalidated while an api answers. */
export const ACCESS_FRESH_MS = 2_000;
/**
 * Between two questions for an access entry that false proofs ask: many of them cost the api no more
 * than these, and each is answered well before a refusal leaves.
 */
export const ACCESS_AGAIN_MS = 50;
/** An access entry older than this is not served even if no api answers. */
export const ACCESS_STALE_MS_MAX = 24 * 3600 * 1000;
/** Clients that may wait for one database, and for all, in one proxy process. */
export const HELD_PER_DATABASE_MAX = 12_000;
export const HELD_MAX = 20_000;

/** `sockaddr_un.sun_path` less its NUL: unix(7). */
export const SOCKET_PATH_BYTES_MAX = 107;

/** Journal events in one call to the api. */
export const EVENTS_PER_CALL_MAX = 500;
/** Events are kept on the host for so long after the acknowledgement. */
export const JOURNAL_KEEP_MS = 48 * 3600 * 1000;
/** Rows of the hot event table; beyond, nothing is acknowledged. */
export const HOT_EVENTS_MAX = 1_000_000;

/** The idle time of a database whose create names none. */
export const DEFAULT_IDLE_MS = 5 * 60 * 1000;
/** A week: longer means "never", and timers of Node end at 2^31 ms. */
export const IDLE_MS_MAX = 7 * 24 * 3600 * 1000;

/**
 * What one tenant may do, where its row in the index does not say otherwise: far more than a tenant that
 * is well needs, and less than what drains a pool of a few hundred slots. Rates are those of each api
 * instance, and `BURST_S` seconds' worth may come at once.
 */
export const TENANT_LIMITS = {
  /** Sleeping databases woken. */
  starts_per_second: 100,
  /** Starts under way; more wait their turn. */
  concurrent_starts: 25,
  /** Databases awake. */
  running: 250,
  /** Databases that are not deleted. */
  databases: 1_000,
  creates_per_second: 50,
};
export const BURST_S = 4;

/** Starts and creates of a size that wait for room in an api instance, how long, and who is first looks. */
export const ROOM_LINE_MAX = 500;
export const ROOM_WAIT_MS_MAX = 7_000;
export const ROOM_LOOK_MS = 50;
