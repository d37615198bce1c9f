/** Runs once after the last `db` test; `database-server.ts` leaves it what to call. */
export default async function teardown(): Promise<void> {
  const left = globalThis as { stopTestServer?: () => Promise<void> };
  await left.stopTestServer?.();
}
