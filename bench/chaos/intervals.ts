/** Arithmetic over spans of time, in milliseconds of whatever clock. Pure. */

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The same time as spans that do not touch, in order. */
export function merged(spans: readonly Span[]): readonly Span[] {
  const out: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.fromMs - b.fromMs)) {
    const last = out.at(-1);
    if (last === undefined || span.fromMs > last.toMs) out.push(span);
    else out[out.length - 1] = { ...last, toMs: Math.max(last.toMs, span.toMs) };
  }
  return out;
}

/** The times that are in a span of every list. */
export function common(lists: readonly (readonly Span[])[]): readonly Span[] {
  const [first, ...rest] = lists.map(merged);
  return rest.reduce<readonly Span[]>(
    (left, right) =>
      left.flatMap((a) =>
        right.flatMap((b) => {
          const fromMs = Math.max(a.fromMs, b.fromMs);
          const toMs = Math.min(a.toMs, b.toMs);
          return fromMs < toMs ? [{ fromMs, toMs }] : [];
        }),
      ),
    first ?? [],
  );
}

/** How much of `span` lies in any of `spans`. */
export function overlapMs(span: Span, spans: readonly Span[]): number {
  return common([[span], spans]).reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
}
