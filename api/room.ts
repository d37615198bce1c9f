/** Starts and creates that found no room wait in line, one for each size. */
import { createLine } from '../lib/line.ts';
import { AppError } from '../model/errors.ts';
import { ROOM_LINE_MAX, ROOM_LOOK_MS, ROOM_WAIT_MS_MAX } from '../model/limits.ts';
import { SIZES, type SizeName } from '../model/sizes.ts';

export type Room = ReturnType<typeof createRoom>;

export function createRoom(now: () => number) {
  const limits = { lookMs: ROOM_LOOK_MS, waitMsMax: ROOM_WAIT_MS_MAX, lengthMax: ROOM_LINE_MAX };
  const refusal = (ms: number): AppError =>
    new AppError('no_capacity', { data: { estimate_ms: Math.ceil(ms) } });
  const lines = Object.keys(SIZES).map((size) => [size, createLine({ now, ...limits, refusal })]);
  return Object.fromEntries(lines) as Record<SizeName, ReturnType<typeof createLine>>;
}
