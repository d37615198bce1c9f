/** The environment that child processes get, and what of the system's own is asked for. */

/** The environment to hand to a child: what the system needs, and nothing of ours but `extra`. */
export function childEnvironment(
  extra: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const passed = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'XDG_RUNTIME_DIR', 'XDG_CACHE_HOME'];
  const out: Record<string, string> = {};
  for (const name of passed) {
    const value = env[name];
    if (value !== undefined) out[name] = value;
  }
  return { ...out, ...extra };
}

/** For a child that downloads: the same, and how this machine reaches the internet. */
export function downloadEnvironment(
  extra: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const how =
    /^(https?_proxy|no_proxy|ssl_cert_(file|dir)|node_extra_ca_certs|go(proxy|sumdb|private|noproxy|nosumdb|toolchain))$/i;
  const passed = Object.entries(env).filter(([name]) => how.test(name));
  return { ...childEnvironment(extra, env), ...(Object.fromEntries(passed) as typeof extra) };
}

/** A variable of the system that is not ours, such as XDG_RUNTIME_DIR. */
export function systemVariable(
  name: 'XDG_RUNTIME_DIR' | 'XDG_CACHE_HOME' | 'TMPDIR' | 'HOME' | 'PATH',
) {
  return process.env[name];
}
