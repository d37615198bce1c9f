/** Statements that call a function of the schema, where the transitions are (migrations). */
import type { Statement } from './hot.ts';

/** `select * from name($1, …)`, prepared under the function's name with dashes, as metrics show it. */
export function callOf(name: string, arity: number): Statement {
  const values = Array.from({ length: arity }, (_, at) => `$${at + 1}`);
  return { name: name.replaceAll('_', '-'), text: `select * from ${name}(${values.join(', ')})` };
}
