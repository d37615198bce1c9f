/** What the rules need to know of a source file, read off its syntax tree in one walk. */
import { parseSync } from 'oxc-parser';

export interface ImportFact {
  readonly specifier: string;
  /** A `type` import is erased: it ties folders together, but loads nothing. */
  readonly kind: 'value' | 'type';
  readonly line: number;
}

export interface FunctionFact {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

export interface Mention {
  readonly text: string;
  readonly line: number;
}

export interface Source {
  readonly path: string;
  readonly lines: number;
  /** Lines that are neither blank nor only comment. */
  readonly codeLines: number;
  readonly imports: readonly ImportFact[];
  readonly functions: readonly FunctionFact[];
  /** `process.env`, `Date.now`, `new Date()`, `setTimeout()`: what is used of the surroundings. */
  readonly uses: readonly Mention[];
  /** The text of comments that are not doc comments, a line each. */
  readonly comments: readonly Mention[];
  /** The file does nothing but hand on what others export. */
  readonly barrel: boolean;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value && 'start' in value;

function* children(node: Node): Generator<Node> {
  for (const value of Object.values(node)) {
    if (isNode(value)) yield value;
    if (Array.isArray(value)) yield* value.filter(isNode);
  }
}

function nameOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'Identifier') return String(node['name']);
  if (node.type === 'Literal') return String(node['value']);
  return undefined;
}

const LOADS = new Set(['require', 'require.resolve', 'import.meta.resolve']);

/** The dotted name of what is called or read: `process.env`, `import.meta.resolve`. */
function dotted(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'MetaProperty') return 'import.meta';
  if (node.type !== 'MemberExpression')
    return node.type === 'Identifier' ? nameOf(node) : undefined;
  const object = dotted(node['object']);
  const property = nameOf(node['property']);
  return object === undefined || property === undefined ? undefined : `${object}.${property}`;
}

/** The module that this node names, and whether only for its types; null = a computed name. */
function importOf(node: Node): { name: string | null; kind: 'value' | 'type' } | undefined {
  const literal = (value: unknown): string | null =>
    isNode(value) && typeof value['value'] === 'string' ? value['value'] : null;
  const first = Array.isArray(node['arguments']) ? node['arguments'][0] : undefined;
  switch (node.type) {
    case 'ImportDeclaration':
      return { name: literal(node['source']), kind: node['importKind'] as 'value' | 'type' };
    case 'ExportAllDeclaration':
    case 'ExportNamedDeclaration':
      if (!isNode(node['source'])) return undefined;
      return { name: literal(node['source']), kind: node['exportKind'] as 'value' | 'type' };
    case 'ImportExpression':
      return { name: literal(node['source']), kind: 'value' };
    case 'TSImportType':
      return { name: literal(node['source']), kind: 'type' };
    case 'CallExpression':
      if (!LOADS.has(dotted(node['callee']) ?? '')) return undefined;
      return { name: literal(first), kind: 'value' };
    case 'NewExpression':
      // How a worker thread or a child process names its main.
      if (nameOf(node['callee']) !== 'URL' || !/\.[mc]?[jt]s$/.test(literal(first) ?? ''))
        return undefined;
      return { name: literal(first), kind: 'value' };
    default:
      return undefined;
  }
}

function usesOf(node: Node): string[] {
  if (node.type === 'MemberExpression') return [dotted(node) ?? ''];
  if (node.type === 'CallExpression' && nameOf(node['callee']) !== undefined)
    return [`${nameOf(node['callee'])}()`];
  if (node.type === 'NewExpression')
    return [`new ${dotted(node['callee'])}(${(node['arguments'] as []).length > 0 ? '…' : ''})`];
  // `const { env } = process`
  const pattern = node['id'];
  if (node.type === 'VariableDeclarator' && isNode(pattern) && pattern.type === 'ObjectPattern')
    return (pattern['properties'] as Node[]).map(
      (p) => `${dotted(node['init'])}.${nameOf(p['key'])}`,
    );
  return [];
}

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

function functionName(node: Node, parent: Node | undefined): string {
  const own = nameOf(node['id']);
  return own ?? nameOf(parent?.['id']) ?? nameOf(parent?.['key']) ?? 'a function without a name';
}

/** A `describe` holds tests as a folder holds files: its length says nothing. */
const isDescribe = (parent: Node | undefined): boolean =>
  parent?.type === 'CallExpression' && /^describe(Temporal)?$/.test(nameOf(parent['callee']) ?? '');

/** Counts the lines once: every node of a tree asks for its own. */
function lineReader(text: string): (offset: number) => number {
  const lines = new Uint32Array(text.length + 1);
  let line = 1;
  for (let i = 0; i <= text.length; i++) {
    lines[i] = line;
    if (text[i] === '\n') line++;
  }
  return (offset) => lines[offset] ?? line;
}

function codeLinesOf(text: string, comments: readonly { start: number; end: number }[]): number {
  let code = text;
  for (const { start, end } of comments)
    code = code.slice(0, start) + code.slice(start, end).replace(/[^\n]/g, ' ') + code.slice(end);
  return code.split('\n').filter((line) => line.trim() !== '').length;
}

/** What stands for a module whose name is computed. */
export const COMPUTED = '(computed)';

/** @throws if the text is not TypeScript or JavaScript. */
export function parseSource(path: string, text: string): Source {
  const { program, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  const lineAt = lineReader(text);
  const source = {
    imports: [] as ImportFact[],
    functions: [] as FunctionFact[],
    uses: [] as Mention[],
  };
  const visit = (node: Node, parent?: Node): void => {
    const line = lineAt(node.start);
    const imported = importOf(node);
    if (imported !== undefined)
      source.imports.push({ specifier: imported.name ?? COMPUTED, kind: imported.kind, line });
    source.uses.push(...usesOf(node).map((use) => ({ text: use, line })));
    if (FUNCTIONS.has(node.type) && !isDescribe(parent)) {
      const lines = lineAt(node.end) - line + 1;
      source.functions.push({ name: functionName(node, parent), line, lines });
    }
    for (const child of children(node)) visit(child, node);
  };
  const root = program as unknown as Node;
  visit(root);
  const statements = root['body'] as readonly Node[];
  return {
    path,
    lines: text.replace(/\n$/, '').split('\n').length,
    codeLines: codeLinesOf(text, comments),
    ...source,
    comments: comments
      .filter((comment) => !(comment.type === 'Block' && comment.value.startsWith('*')))
      .flatMap((comment) =>
        comment.value
          .split('\n')
          .map((line, i) => ({ text: line.trim(), line: lineAt(comment.start) + i })),
      ),
    barrel:
      statements.length > 0 &&
      statements.every((s) => isNode(s['source']) && s.type !== 'ImportDeclaration'),
  };
}
