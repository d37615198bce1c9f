/** What a Postgres that did not start has to say for itself. Pure. */

const LINE = /(?:FATAL|PANIC):\s+(.*)$/;
/** A path, quoted as Postgres quotes it or bare. */
const PATH = /"\/[^"]*"|(?<![\w.])\/[\w./-]+/g;
const LENGTH_MAX = 200;

/**
 * The last FATAL or PANIC line of a log, without paths: fit for a caller's eyes.
 * @returns undefined if there is no such line.
 */
export function complaintOf(log: string): string | undefined {
  let found: string | undefined;
  for (const line of log.split('\n')) found = LINE.exec(line)?.[1] ?? found;
  return found?.replaceAll(PATH, '(path)').slice(0, LENGTH_MAX);
}

/** The words of strerror(3) for ENOSPC and EDQUOT in the C locale, in which every Postgres here runs. */
const NO_ROOM = /No space left on device|Disk quota exceeded/;

/** Whether a complaint is about the volume that is full, and not about the database. */
export const saysNoRoom = (complaint: string): boolean => NO_ROOM.test(complaint);
