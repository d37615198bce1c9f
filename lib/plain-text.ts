/** Text of strangers on its way into events: jsonb of Postgres takes neither NUL nor half a character. */

/** @param max UTF-16 units; what is longer is cut between two characters. */
export function plainText(text: string, max: number): string {
  const last = text.charCodeAt(max - 1);
  const isSplit = text.length > max && last >= 0xd800 && last <= 0xdbff;
  const cut = text.slice(0, isSplit ? max - 1 : max);
  // By way of UTF-8 a surrogate without its other half becomes U+FFFD.
  return Buffer.from(cut.replaceAll('\0', '\ufffd')).toString();
}
