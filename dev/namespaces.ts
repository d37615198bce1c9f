/**
 * A host in PID and IPC namespaces of its own: what it runs can neither see nor signal another
 * host's processes, as on another machine. /proc is mounted anew. Root only.
 */

/**
 * The first process of the namespace: it starts the agent again when that dies, so that the
 * namespace outlives an agent as a machine does, and it reaps whatever is orphaned there (a shell
 * waits for any child). SIGTERM is passed to the agent, and with the agent's end everything ends.
 */
const INIT = `
stop=0
agent=
trap 'stop=1; kill -TERM $agent 2>/dev/null' TERM
while [ $stop = 0 ]; do
  "$@" &
  agent=$!
  while kill -0 $agent 2>/dev/null; do wait $agent; done
  [ $stop = 1 ] || sleep 0.2
done
`;

/** Wraps a command so that it runs in namespaces of its own, which end with the wrapper. */
export function inNamespaces(command: readonly string[]): readonly string[] {
  const flags = ['--pid', '--ipc', '--mount-proc', '--fork', '--kill-child=SIGKILL'];
  return ['unshare', ...flags, '/bin/sh', '-c', INIT, 'init', ...command];
}
