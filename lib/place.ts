/**
 * Where an incarnation is: a folder of its machine, and how other machines get there. Agents write it, proxies
 * read it; to everybody else it is a text.
 */

const SCHEME = 'tls://';

export interface Place {
  /** `host:port` of the machine's gate; undefined: it can be reached from its own machine only. */
  readonly gate: string | undefined;
  /** Absolute. */
  readonly folder: string;
}

/** @param gate '' for none. */
export const placeText = (gate: string, folder: string): string =>
  gate === '' ? folder : `${SCHEME}${gate}${folder}`;

export function placeOf(text: string): Place {
  if (!text.startsWith(SCHEME)) return { gate: undefined, folder: text };
  const at = text.indexOf('/', SCHEME.length);
  return { gate: text.slice(SCHEME.length, at), folder: text.slice(at) };
}
