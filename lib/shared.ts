/**
 * Work that many ask for at once, and whose result must not be older than the question: whoever comes
 * while it is done waits for the next turn, which all who came meanwhile share.
 */
export function createShared<T>(work: (key: string) => Promise<T>): (key: string) => Promise<T> {
  interface Turn {
    readonly current: Promise<T>;
    next?: Promise<T>;
  }
  const turns = new Map<string, Turn>();

  function begin(key: string): Promise<T> {
    const turn: Turn = { current: work(key) };
    turns.set(key, turn);
    const end = (): void => {
      if (turn.next === undefined) turns.delete(key);
    };
    turn.current.then(end, end);
    return turn.current;
  }

  return (key) => {
    const turn = turns.get(key);
    if (turn === undefined) return begin(key);
    const begun = (): Promise<T> => begin(key);
    return (turn.next ??= turn.current.then(begun, begun));
  };
}
