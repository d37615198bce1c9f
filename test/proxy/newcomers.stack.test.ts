/** One source that opens many connections and proves nothing: nobody else's room is taken. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import { ask, createStage, failureOf, until, type Stage } from './stage.ts';

const MOST = 5;

let stage: Stage;
beforeAll(async () => {
  stage = await createStage({ newcomersMax: MOST });
});
afterAll(() => stage.end());

async function silent(): Promise<Socket> {
  const socket = connect({ port: stage.port, host: '127.0.0.1', localAddress: '127.0.0.2' });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** A client of that source. */
const there = () =>
  stage.client({
    stream() {
      const socket = new Socket();
      const dial = socket.connect.bind(socket);
      socket.connect = ((port: number, host: string) =>
        dial({ port, host, localAddress: '127.0.0.2' })) as never;
      return socket;
    },
  });

test('they are bounded by source, and whoever has proven a password is none', async () => {
  const sessions = [];
  for (let n = 0; n <= MOST; n++) {
    const client = there();
    await client.connect();
    sessions.push(client);
  }
  const newcomers = [];
  for (let n = 0; n < MOST; n++) newcomers.push(await silent());
  await until(async () => /proxy_connections\S* 11\n/.test(await stage.metrics()));
  expect(await failureOf(ask(there(), 'select 1'))).toMatchObject({ code: '53300' });
  expect(await ask(stage.client(), 'select 1')).toBe(1);
  newcomers.pop()?.destroy();
  await until(async () => /proxy_connections\S* 10\n/.test(await stage.metrics()));
  expect(await ask(there(), 'select 1')).toBe(1);
  for (const socket of newcomers) socket.destroy();
  for (const client of sessions) await client.end();
}, 30_000);
