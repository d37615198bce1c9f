/** How every claim takes a slot. */

/**
 * A free slot on the host and of the size of the row `h`: the first from `h.start`, a place drawn at
 * random, round to it again.
 */
export const slotOf = (from: 'slot_vacant' | 'slot_warm'): string => `
      select x.* from (
        select ctid, host_id, size, slot from ${from}
         where host_id = h.host_id and size = h.size and spread >= h.start
         order by spread limit 1 for update skip locked) x
      union all
      select x.* from (
        select ctid, host_id, size, slot from ${from}
         where host_id = h.host_id and size = h.size and spread < h.start
         order by spread limit 1 for update skip locked) x
      limit 1`;
