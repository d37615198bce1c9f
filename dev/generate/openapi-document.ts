/** The contract as OpenAPI 3.1, made of the routes' own schemas. */
import { z } from 'zod';
import { ANSWERS } from '../../contract/answers.ts';
import { ERRORS } from '../../model/errors.ts';
import type { Route } from '../../api/context.ts';

const ERROR_SCHEMA = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message', 'retryable'],
      properties: {
        code: { type: 'string', enum: Object.keys(ERRORS) },
        message: { type: 'string' },
        retryable: { type: 'boolean' },
        detail: { type: 'string' },
        data: { type: 'object' },
      },
    },
  },
};

/** A schema as JSON Schema of what a caller may send, or gets; a refinement has no form there. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

function parametersOf(spec: Route): object[] {
  const inPath = [...spec.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const inHeader = spec.idempotent
    ? [{ name: 'Idempotency-Key', in: 'header', required: false, schema: { type: 'string' } }]
    : [];
  if (spec.query === undefined) return [...inPath, ...inHeader];
  const properties = jsonSchema(spec.query, 'input')['properties'] as Record<string, object>;
  const inQuery = Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema,
  }));
  return [...inPath, ...inHeader, ...inQuery];
}

/** @throws Error for a route without an answer in `contract/answers.ts`. */
function answerOf({ method, path }: Route): object {
  const answer = ANSWERS[`${method} ${path}`];
  if (answer === undefined) throw new Error(`BUG: nobody says what ${method} ${path} answers`);
  const type = answer instanceof z.ZodString ? 'text/plain' : 'application/json';
  return { description: 'Done', content: { [type]: { schema: jsonSchema(answer, 'output') } } };
}

function operationOf(spec: Route): object {
  const error = { $ref: '#/components/responses/Error' };
  return {
    summary: spec.summary,
    ...(spec.scopes.length === 0 ? {} : { security: [{ bearer: spec.scopes }] }),
    parameters: parametersOf(spec),
    ...(spec.body === undefined
      ? {}
      : {
          requestBody: {
            content: { 'application/json': { schema: jsonSchema(spec.body, 'input') } },
          },
        }),
    responses: { '2XX': answerOf(spec), default: error },
  };
}

export function openapi(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const spec of routes) {
    const path = spec.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [spec.method]: operationOf(spec) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Pilotlight hot path', version: '1' },
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      responses: {
        Error: {
          description: 'One of the closed table of errors',
          content: { 'application/json': { schema: ERROR_SCHEMA } },
        },
      },
    },
  };
}
