/** Bodies of HTTP messages. By their events: an async iterator over one costs each hop of a wake more. */
import type { IncomingMessage } from 'node:http';
import { AppError } from '../model/errors.ts';

/** @throws AppError `body_too_large` as soon as that is known; what ended the message too soon. */
export function readText(message: IncomingMessage, bytesMax = Infinity): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve, reject) => {
    message.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) chunks.push(chunk);
      else reject(new AppError('body_too_large'));
    });
    message.once('error', reject);
    message.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
  });
}

/** @returns undefined without a body. @throws AppError `bad_json`, `body_too_large`. */
export async function readJson(request: IncomingMessage, bytesMax: number): Promise<unknown> {
  try {
    const text = await readText(request, bytesMax);
    return text === '' ? undefined : JSON.parse(text);
  } catch (error) {
    throw error instanceof AppError ? error : new AppError('bad_json', { cause: error });
  }
}
