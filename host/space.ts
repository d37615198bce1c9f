/** The volume's room: told in every report, and kept for the databases that are there. */
import { AppError } from '../model/errors.ts';
import type { Space } from './volume.ts';

const LOOK_MS = 1_000;
/** Of a small volume at most this part is kept. */
const PART_MAX = 0.05;

export interface FollowedSpace {
  /** As of a second ago, so that a report never waits for the volume. */
  readonly current: () => Space;
  /**
   * Before anything new is put on the volume: those that are there still have to start, and to write.
   * @throws AppError `storage_full` where less is left than is kept for them.
   */
  readonly check: () => void;
  readonly stop: () => void;
}

export async function followSpace(
  read: () => Promise<Space>,
  reserveBytes: number,
): Promise<FollowedSpace> {
  let space = await read();
  const timer = setInterval(() => {
    read().then(
      (found) => (space = found),
      // The heartbeat is what notices a volume that does not answer.
      () => undefined,
    );
  }, LOOK_MS);
  timer.unref();
  return {
    current: () => space,
    check() {
      const { free_bytes, total_bytes } = space;
      if (free_bytes < Math.min(reserveBytes, total_bytes * PART_MAX))
        throw new AppError('storage_full', {
          detail: 'what is left of the volume is kept for the databases that are there',
        });
    },
    stop: () => clearInterval(timer),
  };
}
