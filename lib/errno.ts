/** Which error of the system something thrown is. */

/** True for "no such file", the one error of the file system that is often an answer. */
export function isMissing(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT';
}

/** `ENOENT`, `EEXIST`, `ENOSPC`, … or undefined. */
export function errnoOf(error: unknown): string | undefined {
  // Not `instanceof Error`: under jest the errors of node's own modules are of another realm.
  return typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    typeof error.code === 'string'
    ? error.code
    : undefined;
}
