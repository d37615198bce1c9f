/** The task queue of the naive plane's starts: its own, beside those of maintenance. */
export const QUEUE = 'naive-starts';
