/**
 * What a host agent does for its callers. The agent (`verbs.ts`) and the simulated one (`sim.ts`)
 * carry it out, and `routes.ts` serves either, so that the two can not drift apart unnoticed.
 */
import type { Identity } from '../model/identity.ts';
import type { SizeName } from '../model/sizes.ts';
import type {
  AgentSuspendAnswer,
  AgentSuspendRequest,
  ApplyAnswer,
  ApplyRequest,
  AttachRequest,
  AwakeAnswer,
  CreateRequest,
  DegradedAttachRequest,
  HostReport,
  Incarnation,
  PurgeAnswer,
  SlotRef,
  WarmAnswer,
} from '../model/wire.ts';

/** Without a slot the agent chooses one. */
export interface WarmRequest {
  readonly size: SizeName;
  readonly slot?: number;
}

export interface ShutdownAnswer {
  readonly suspended: number;
  readonly removed: number;
}

/** What the volume says of a database: its document, and the last run of its directory. */
export interface ListedIdentity {
  readonly identity: Identity;
  /** As of the run record; null where none is whole. */
  readonly run: {
    readonly epoch: number;
    readonly host: string;
    readonly released: boolean;
  } | null;
  /** A tombstone whose data are gone. */
  readonly purged: boolean;
}

/** GET /v1/identities and /v1/identities/{after}: in the order of ids, IDENTITIES_PER_PAGE at most. */
export interface IdentityPage {
  readonly volume: string;
  /** All that have ever been on this volume. */
  readonly hosts: readonly string[];
  readonly identities: readonly ListedIdentity[];
  /** Databases whose document can not be read. */
  readonly damaged: readonly string[];
  /** What to ask for next; null: this was the last page. */
  readonly next: string | null;
}

/** Documents of one answer, about 1.5 KB each; reading them takes an agent a tenth of a second. */
export const IDENTITIES_PER_PAGE = 200;

/** Each throws AppError with the codes that its carrying out names. */
export interface AgentVerbs {
  readonly attach: (request: AttachRequest | DegradedAttachRequest) => Promise<Incarnation>;
  readonly create: (request: CreateRequest) => Promise<Incarnation>;
  readonly suspend: (request: AgentSuspendRequest) => Promise<AgentSuspendAnswer>;
  readonly warm: (request: WarmRequest) => Promise<WarmAnswer>;
  readonly recycle: (ref: SlotRef) => Promise<WarmAnswer>;
  readonly apply: (request: ApplyRequest) => Promise<ApplyAnswer>;
  readonly purge: (database: string) => Promise<PurgeAnswer>;
  /** @returns undefined if there is no such database. */
  readonly readIdentity: (database: string) => Promise<Identity | undefined>;
  readonly replaceIdentity: (
    database: string,
    expectedVersion: number,
    document: Identity,
  ) => Promise<Identity>;
  /** @param after the last id of the page before, '' for the first page. */
  readonly listIdentities: (after: string) => Promise<IdentityPage>;
  /** Never fails for a database that there is not: nobody has logged in to it. */
  readonly awake: (database: string) => Promise<AwakeAnswer>;
  readonly report: () => HostReport;
  readonly shutDown: (graceMs?: number) => Promise<ShutdownAnswer>;
}

/** Whether an agent takes work. */
export interface AgentHealth {
  /** False until what an earlier agent left is settled. */
  readonly isAdopted: () => boolean;
  readonly isFenced: () => boolean;
  readonly isEnding: () => boolean;
}
