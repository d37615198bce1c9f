/**
 * Connections to the sockets of hosts: of this machine's by their path, of another's through its gate
 * (gate.ts), which both sides prove their names for.
 */
import { existsSync } from 'node:fs';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { placeOf } from '../lib/place.ts';
import { accessSocketIn, runFolderOf } from '../lib/run-folder.ts';
import type { Address } from '../model/wire.ts';

/** Both sides insist on it, so that nothing else with such certificates is taken for a gate, or a gate for it. */
export const GATE_ALPN = 'pilotlight-gate';

/** A socket: a path here, or behind the gate of another machine. */
export interface Spot {
  readonly gate: string | undefined;
  readonly path: string;
}

export interface Peers {
  /** Of this incarnation's Postgres. */
  readonly postgres: (address: Address) => Spot;
  /** At which its agent is asked. */
  readonly agent: (address: Address) => Spot;
  /** Here, and not there any more: known without a dial. */
  readonly isGone: (spot: Spot) => boolean;
  /** What is written at once leaves when the other side has proven who it is. */
  readonly connect: (spot: Spot, options?: { readonly allowHalfOpen: boolean }) => Socket;
  /** After which event of the connection it has. */
  readonly readyEvent: (spot: Spot) => 'connect' | 'secureConnect';
}

export interface PeersOptions {
  /** This machine's gate, as its agents say it; '' for none. */
  readonly own: string;
  /** What is shown at gates, and whom it trusts; undefined: everything is on this machine. */
  readonly context: (() => SecureContext) | undefined;
}

/** `host:port`, the host in brackets if it is an IPv6 address. */
export function endOf(gate: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(`tcp://${gate}`);
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

export function createPeers({ own, context }: PeersOptions): Peers {
  function spot(text: string, pathIn: (folder: string) => string): Spot {
    const { gate, folder } = placeOf(text);
    const isHere = gate === own || context === undefined;
    return { gate: isHere ? undefined : gate, path: pathIn(folder) };
  }

  function throughGate(gate: string, path: string, allowHalfOpen: boolean): Socket {
    const { host, port } = endOf(gate);
    const socket = connectTls({
      ...{ host, port, allowHalfOpen, ALPNProtocols: [GATE_ALPN], minVersion: 'TLSv1.3' },
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(context === undefined ? {} : { secureContext: context() }),
    });
    socket.setNoDelay(true);
    // Node holds it back by itself as things are, and promises that nowhere.
    socket.cork();
    socket.write(`${path}\n`);
    socket.once('secureConnect', () => {
      if (socket.alpnProtocol === GATE_ALPN) socket.uncork();
      else socket.destroy(new Error('it is no gate'));
    });
    return socket;
  }

  return {
    postgres: ({ socket, port }) => spot(socket, (folder) => `${folder}/.s.PGSQL.${port}`),
    agent: ({ socket }) => spot(socket, (folder) => accessSocketIn(runFolderOf(folder))),
    isGone: ({ gate, path }) => gate === undefined && !existsSync(path),
    connect: ({ gate, path }, { allowHalfOpen } = { allowHalfOpen: true }) =>
      gate === undefined
        ? connect({ path, allowHalfOpen })
        : throughGate(gate, path, allowHalfOpen),
    readyEvent: ({ gate }) => (gate === undefined ? 'connect' : 'secureConnect'),
  };
}
