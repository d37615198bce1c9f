/** Runs once after the last test of a project with Postgres; `database-server.ts` leaves it what to call. */
export default async function teardown(): Promise<void> {
  const left = globalThis as { stopTestServer?: () => Promise<void> };
  await left.stopTestServer?.();
  // The other project's teardown comes after this one.
  delete left.stopTestServer;
}
