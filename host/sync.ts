/**
 * Tells every api instance the host's whole state, each second and soon after a change: constant work,
 * and nobody has to remember what was told to whom.
 */
import type { JsonClient } from '../lib/json-client.ts';
import type { Logger } from '../lib/log.ts';
import { codeOf } from '../model/errors.ts';
import { AGENT_CALL_MS_MAX, SYNC_MS } from '../model/limits.ts';
import type { HostReport, SyncAnswer } from '../model/wire.ts';
import type { Slots } from './slots.ts';

export interface SyncOptions {
  readonly host: string;
  readonly apiUrls: readonly string[];
  readonly client: JsonClient;
  readonly slots: Slots;
  readonly report: () => HostReport;
  readonly sawGeneration: (generation: string) => void;
  readonly log: Logger;
}

/**
 * A change is often followed by the next one, and what caused it is answered to its caller anyway:
 * so long that a wake is over before the sync takes its share of the processor.
 */
const COALESCE_MS = 50;
/** From one report to the next at the least: a host where much changes tells it four times a second. */
const SPACING_MS = 250;

/** One api instance: at most one call at a time, the next one with what is true by then. */
function createLine(options: SyncOptions, url: string, taken: Map<string, number>) {
  let sending = false;
  let again = false;
  let silent = false;

  async function send(): Promise<void> {
    if (sending) {
      again = true;
      return;
    }
    sending = true;
    try {
      const answer = await options.client.call<SyncAnswer>(`${url}/v1/hosts/${options.host}/sync`, {
        body: options.report(),
        timeoutMs: AGENT_CALL_MS_MAX,
      });
      taken.set(url, performance.now());
      options.sawGeneration(answer.generation);
      if (silent) options.log.info({ api: url }, 'the api answers again');
      silent = false;
    } catch (error) {
      if (!silent) options.log.warn({ api: url, code: codeOf(error) }, 'a sync was not taken');
      silent = true;
    } finally {
      sending = false;
    }
    if (again && !silent) {
      again = false;
      await send();
    }
    again = false;
  }
  return send;
}

export interface Sync {
  /** By api: monotonic ms of the last report that it took. */
  readonly taken: ReadonlyMap<string, number>;
  readonly stop: () => void;
}

export function startSync(options: SyncOptions): Sync {
  const taken = new Map<string, number>();
  const lines = options.apiUrls.map((url) => createLine(options, url, taken));
  const sendAll = (): void => lines.forEach((send) => void send());
  let soon: NodeJS.Timeout | undefined;
  let sent = Number.NEGATIVE_INFINITY;
  options.slots.onChange(() => {
    const wait = Math.max(COALESCE_MS, sent + SPACING_MS - performance.now());
    soon ??= setTimeout(() => {
      soon = undefined;
      sent = performance.now();
      sendAll();
    }, wait);
  });
  sendAll();
  const timer = setInterval(sendAll, SYNC_MS);
  return {
    taken,
    stop() {
      clearInterval(timer);
      clearTimeout(soon);
    },
  };
}
