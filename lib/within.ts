/** Waiting that ends. */

/** What `work` comes to, or after `ms` what `late` returns or throws. The work goes on. */
export async function within<T, L>(work: Promise<T>, ms: number, late: () => L): Promise<T | L> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), ms);
  });
  try {
    const first = await Promise.race([work.then((value) => ({ value })), patience]);
    return first === 'late' ? late() : first.value;
  } finally {
    clearTimeout(timer);
  }
}
