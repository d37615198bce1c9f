/** Which hot database this is: it changes when a new one is made, and agents ship events again. */
import type { Hot } from './hot.ts';

const statement = { name: 'generation-find', text: 'select id from generation' };

export async function generationFind(hot: Hot): Promise<string> {
  const id = (await hot.quick<{ id: string }>(statement, []))[0]?.id;
  if (id === undefined) throw new Error('BUG: the hot database has no generation');
  return id;
}
