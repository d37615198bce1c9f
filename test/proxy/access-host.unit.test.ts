/** What the host where a database runs or ran last says of who may log in goes before all else. */
import { describe, expect, test } from '@jest/globals';
import type { Route } from '../../proxy/wake.ts';
import { accessOf, accessStage, DATABASE, never } from './access-stage.ts';

describe('of a database that runs', () => {
  const route = (epoch: number): Route => ({ epoch, address: { socket: '/run/x', port: 5432 } });
  const hostSays =
    (version: number, runs = true) =>
    () =>
      Promise.resolve({ access: accessOf(version), runs });

  test('its host is asked with every login, and an api is not', async () => {
    const { stage, cache } = accessStage();
    stage.route = route(3);
    for (const version of [4, 5]) {
      stage.hostSays = hostSays(version);
      const { salt, fresh } = cache.look(DATABASE, stage.now, never);
      expect(await salt).toMatchObject({ version });
      expect(await fresh).toMatchObject({ version });
    }
    expect(stage).toMatchObject({ asked: 0, askedHost: [3, 3] });
    expect(cache.peek(DATABASE)).toMatchObject({ version: 5 });
  });

  test('an api is asked where its host does not say', async () => {
    const { stage, cache } = accessStage();
    stage.route = route(3);
    const { salt, fresh } = cache.look(DATABASE, stage.now, never);
    expect([await salt, await fresh]).toEqual([accessOf(1), accessOf(1)]);
    expect(stage).toMatchObject({ asked: 1, askedHost: [3] });
  });

  test('its host is asked as well where only the api knows that it runs', async () => {
    const { stage, get } = accessStage();
    stage.say = () => Promise.resolve({ ...accessOf(1), at: route(7) });
    stage.hostSays = hostSays(2);
    expect(await get()).toMatchObject({ version: 2 });
    // Also when it sleeps: where it ran last can say most.
    stage.hostSays = hostSays(3);
    expect(await get()).toMatchObject({ version: 3 });
    expect(stage).toMatchObject({ asked: 1, askedHost: [7, 7] });
  });

  test('what a host says is not taken back by an older answer', async () => {
    const { stage, get } = accessStage();
    stage.route = route(3);
    stage.hostSays = hostSays(9);
    await get();
    stage.now += 1;
    stage.hostSays = () => Promise.resolve('over');
    expect(await get()).toMatchObject({ version: 9 });
    expect(stage.asked).toBe(1);
  });

  test('a host that does not say is asked once by a login', async () => {
    const { stage, get } = accessStage();
    stage.route = route(7);
    stage.say = () => Promise.resolve({ ...accessOf(1), at: route(7) });
    expect(await get()).toMatchObject({ version: 1 });
    expect(stage.askedHost).toEqual([7]);
  });

  test('an entry of before does not count when that run is over: SQL may have changed it since', async () => {
    const { stage, cache } = accessStage();
    stage.route = route(3);
    stage.hostSays = hostSays(4);
    await cache.look(DATABASE, stage.now, never).fresh;
    stage.now += 10;
    stage.hostSays = () => Promise.resolve('over');
    stage.say = () => Promise.resolve(accessOf(5));
    const { salt, fresh } = cache.look(DATABASE, stage.now, never);
    expect([await salt, await fresh]).toMatchObject([{ version: 5 }, { version: 5 }]);
    expect(stage.asked).toBe(1);
  });

  test('an entry of before counts while its host is silent', async () => {
    const { stage, cache } = accessStage();
    stage.route = route(3);
    stage.hostSays = hostSays(4);
    await cache.look(DATABASE, stage.now, never).fresh;
    stage.now += 10;
    stage.route = undefined;
    stage.hostSays = () => Promise.resolve('silent');
    const { salt, fresh } = cache.look(DATABASE, stage.now, never);
    expect([await salt, await fresh]).toMatchObject([{ version: 4 }, { version: 4 }]);
    expect(stage.asked).toBe(0);
  });

  test('it says as well that the database sleeps, and that nobody need dial it', async () => {
    const { stage, get } = accessStage();
    stage.route = route(3);
    stage.hostSays = hostSays(4, false);
    expect(await get()).toMatchObject({ version: 4 });
    expect(stage).toMatchObject({ asked: 0, asleep: [3] });
  });

  test('for two seconds nobody is asked where it sleeps and SQL can not have changed anything', async () => {
    const { stage, get } = accessStage();
    stage.route = route(3);
    stage.hostSays = hostSays(4, false);
    await get();
    stage.mayDiffer = false;
    stage.now += 1_999;
    expect(await get()).toMatchObject({ version: 4 });
    expect(stage.askedHost).toEqual([3]);
    stage.now += 1;
    await get();
    stage.mayDiffer = true;
    await get();
    expect(stage).toMatchObject({ askedHost: [3, 3, 3], asleep: [3, 3, 3, 3], asked: 0 });
  });

  test('what was said of one run holds after the next without a mark, and not after more', async () => {
    const { stage, get } = accessStage();
    stage.route = route(3);
    stage.hostSays = hostSays(4, false);
    stage.mayDiffer = false;
    await get();
    stage.route = route(4);
    stage.hostSays = hostSays(5, false);
    expect(await get()).toMatchObject({ version: 4 });
    stage.route = route(5);
    expect(await get()).toMatchObject({ version: 5 });
    expect(stage.askedHost).toEqual([3, 5]);
  });
});
