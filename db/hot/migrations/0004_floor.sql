-- Up Migration

-- Whether maintenance may claim a slot: while more than `vacant_floor` of the size are vacant on
-- these hosts. Counts no further than that, and one claim at a time, so that two together never go
-- below. Demand never calls it. A function, because the count has to be as of after the wait for the
-- lock, and each of its statements sees what was committed by then.
create function above_floor(the_size text, hosts text[], vacant_floor integer) returns boolean
language plpgsql volatile as $$
begin
  perform pg_advisory_xact_lock(hashtext('above_floor'), hashtext(the_size));
  return (
    select count(*) > vacant_floor
      from (select from slot_vacant v
             where v.size = the_size and v.host_id = any (hosts) limit vacant_floor + 1) s);
end
$$;
revoke execute on function above_floor from public;
grant execute on function above_floor to pilotlight_api;

-- Down Migration

drop function above_floor;
