/** A mistake of the person who started the program: shown as one sentence, without a stack. */
export class ConfigError extends Error {
  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.name = 'ConfigError';
  }
}
