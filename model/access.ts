/** Who may log in, as proxies are told it by apis and agents alike. */
import type { Identity } from './identity.ts';

/** What of a document a proxy judges logins by: `AccessAnswer` but for where it runs. */
export const accessOf = (identity: Omit<Identity, 'directory'>) => {
  const { id: database, tenant, version, roles, allow, tls, idle_ms } = identity;
  return { database, tenant, version, roles, allow, tls, idle_ms };
};
