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
