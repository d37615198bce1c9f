/** Rows as text in columns, as psql aligns them. Pure. */

/** A value of a row; objects are what JSON columns come back as. */
export function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  if (typeof value === 'object') return JSON.stringify(value);
  return typeof value === 'string' ? value : `${value as number | bigint | boolean}`;
}

const isNumber = (value: unknown): boolean =>
  typeof value === 'number' || (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value));

const center = (text: string, width: number): string => {
  const left = Math.floor((width - text.length) / 2);
  return text.padStart(text.length + left).padEnd(width);
};

/** Header, rule and rows; numbers to the right. Every line ends without spaces. */
export function alignTable(
  fields: readonly string[],
  rows: readonly (readonly unknown[])[],
): readonly string[] {
  const cells = rows.map((row) => row.map(textOf));
  const widths = fields.map((field, i) =>
    Math.max(field.length, ...cells.map((row) => row[i]?.length ?? 0)),
  );
  const right = fields.map((_, i) => rows.length > 0 && rows.every((row) => isNumber(row[i])));
  const line = (texts: readonly string[], place: (text: string, i: number) => string): string =>
    texts
      .map((text, i) => ` ${place(text, i)} `)
      .join('|')
      .trimEnd();
  return [
    line(fields, (text, i) => center(text, widths[i] ?? 0)),
    widths.map((width) => '-'.repeat(width + 2)).join('+'),
    ...cells.map((row) =>
      line(row, (text, i) =>
        right[i] === true ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0),
      ),
    ),
  ];
}
