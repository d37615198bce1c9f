/** The search attributes of the namespace: what is missing is added, nothing is ever removed. */
import type { Client } from '@temporalio/client';
import { NAMESPACE, SEARCH_ATTRIBUTES } from '../model/cold/names.ts';

const CALL_MS = 5_000;
/** `IndexedValueType` of Temporal's API. */
const TYPES = { KEYWORD: 2, INT: 3 } as const;

/**
 * Idempotent. @returns the names that the server has with another type: they can not be set.
 * @throws what the server said, or a deadline; call it again.
 */
export async function reconcileSearchAttributes(client: Client): Promise<readonly string[]> {
  const { operatorService } = client.connection;
  const bounded = <T>(work: () => Promise<T>): Promise<T> =>
    client.withDeadline(Date.now() + CALL_MS, work);
  const { customAttributes } = await bounded(() =>
    operatorService.listSearchAttributes({ namespace: NAMESPACE }),
  );
  const wanted = Object.entries(SEARCH_ATTRIBUTES).map(
    ([name, type]) => [name, TYPES[type]] as const,
  );
  const missing = wanted.filter(([name]) => customAttributes?.[name] === undefined);
  if (missing.length > 0)
    await bounded(() =>
      operatorService.addSearchAttributes({
        namespace: NAMESPACE,
        searchAttributes: Object.fromEntries(missing),
      }),
    );
  return wanted
    .filter(([name, type]) => (customAttributes?.[name] ?? type) !== type)
    .map(([name]) => name);
}
