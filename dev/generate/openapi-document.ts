/** The contract as OpenAPI 3.1, made of the routes' own schemas. */
import { z } from 'zod';
import { ERRORS } from '../../model/errors.ts';
import type { Route } from '../../api/route.ts';

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

/** A schema as JSON Schema of what a caller may send; a refinement has no form there. */
const jsonSchema = (schema: z.ZodType): Record<string, unknown> =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });

function parametersOf(spec: Route): object[] {
  const inPath = [...spec.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  if (spec.query === undefined) return inPath;
  const properties = jsonSchema(spec.query)['properties'] as Record<string, object>;
  const inQuery = Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema,
  }));
  return [...inPath, ...inQuery];
}

function operationOf(spec: Route): object {
  const error = { $ref: '#/components/responses/Error' };
  return {
    summary: spec.summary,
    ...(spec.scopes.length === 0 ? {} : { security: [{ bearer: spec.scopes }] }),
    parameters: parametersOf(spec),
    ...(spec.body === undefined
      ? {}
      : { requestBody: { content: { 'application/json': { schema: jsonSchema(spec.body) } } } }),
    responses: { '2XX': { description: 'Done' }, default: error },
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
