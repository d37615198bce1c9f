/**
 * Root is needed for nothing here: Postgres tells the proxy by its unix user, so the proxy becomes
 * that user as soon as it has loaded and listens.
 */
import { readFileSync } from 'node:fs';
import { ConfigError } from '../lib/config-error.ts';

export interface UnixUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Finds a user in the text of /etc/passwd (passwd(5)). Peer authentication of Postgres needs the
 * entry as well, to turn our uid into a name.
 */
export function findUser(passwd: string, name: string): UnixUser | undefined {
  for (const line of passwd.split('\n')) {
    const [user, , uid, gid] = line.split(':');
    if (user === name && uid !== undefined && gid !== undefined)
      return { name, uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

/**
 * Looks up whom to become; undefined if this process is not root and stays who it is.
 * @throws ConfigError if there is no such user, or it is root.
 */
export function unprivilegedUser(name: string): UnixUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const user = findUser(readFileSync('/etc/passwd', 'utf8'), name);
  if (user === undefined)
    throw new ConfigError(`PILOTLIGHT_PROXY_USER names "${name}", who is not in /etc/passwd`);
  if (user.uid === 0) throw new ConfigError('PILOTLIGHT_PROXY_USER must not be root');
  return user;
}

/** Becomes this user for good: supplementary groups first, the uid last. */
export function dropPrivileges(user: UnixUser): void {
  // Missing in the type declarations; https://nodejs.org/docs/latest-v20.x/api/process.html
  const groups = process as { initgroups?: (user: string, group: number) => void };
  groups.initgroups?.(user.name, user.gid);
  process.setgid?.(user.gid);
  process.setuid?.(user.uid);
}
