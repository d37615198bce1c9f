import { describe, expect, test } from '@jest/globals';
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { checkProof, mockVerifier } from '../../lib/scram.ts';
import { SALT_BYTES, makeVerifier, parseVerifier } from '../../lib/verifier.ts';

/** The exchange of RFC 7677 section 3. */
const RFC = {
  password: 'pencil',
  salt: Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'),
  iterations: 4096,
  authMessage: [
    'n=user,r=rOprNGfwEbeRWgbNEkqO',
    'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  ].join(','),
  proof: Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64'),
  signature: '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};

const parsed = (text: string) => {
  const verifier = parseVerifier(text);
  if (verifier === undefined) throw new Error('no verifier');
  return verifier;
};

/** The client's side, as RFC 5802 section 3 has it. */
function proofOf(password: string, salt: Buffer, iterations: number, authMessage: string): Buffer {
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  const storedKey = createHash('sha256').update(clientKey).digest();
  const signature = createHmac('sha256', storedKey).update(authMessage).digest();
  return Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0)));
}

describe('SCRAM-SHA-256', () => {
  test('takes the proof of the RFC and answers with its signature', async () => {
    const verifier = parsed(await makeVerifier(RFC.password, RFC.salt, RFC.iterations));
    const signature = checkProof(verifier, RFC.authMessage, RFC.proof);
    expect(signature?.toString('base64')).toBe(RFC.signature);
  });

  test('takes no other password, message or proof', async () => {
    const other = parsed(await makeVerifier('Pencil', RFC.salt, RFC.iterations));
    expect(checkProof(other, RFC.authMessage, RFC.proof)).toBeUndefined();
    const verifier = parsed(await makeVerifier(RFC.password, RFC.salt, RFC.iterations));
    expect(checkProof(verifier, `${RFC.authMessage}x`, RFC.proof)).toBeUndefined();
    expect(checkProof(verifier, RFC.authMessage, Buffer.alloc(32))).toBeUndefined();
    expect(checkProof(verifier, RFC.authMessage, RFC.proof.subarray(1))).toBeUndefined();
    expect(checkProof(verifier, RFC.authMessage, Buffer.alloc(0))).toBeUndefined();
  });

  test('takes a client that normalises its password', async () => {
    const salt = randomBytes(SALT_BYTES);
    const verifier = parsed(await makeVerifier('caf\u0065\u0301', salt, 4096));
    expect(checkProof(verifier, 'm', proofOf('caf\u00e9', salt, 4096, 'm'))).toBeDefined();
  });
});

describe('a stored verifier', () => {
  test('has the form of Postgres', async () => {
    const text = await makeVerifier(RFC.password, RFC.salt, RFC.iterations);
    expect(text).toBe(
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$' +
        'WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    );
    expect(parsed(text)).toMatchObject({ iterations: 4096, salt: RFC.salt });
  });

  test.each([
    '',
    'md5d41d8cd98f00b204e9800998ecf8427e',
    'SCRAM-SHA-256$4096:c2FsdA==$YQ==:YQ==',
    `SCRAM-SHA-256$4096:c2FsdA==$${'A'.repeat(43)}=:YQ==`,
    `SCRAM-SHA-256$many:c2FsdA==$${'A'.repeat(43)}=:${'A'.repeat(43)}=`,
    `SCRAM-SHA-1$4096:c2FsdA==$${'A'.repeat(43)}=:${'A'.repeat(43)}=`,
  ])('is not %j', (text) => {
    expect(parseVerifier(text)).toBeUndefined();
  });
});

describe('a mock verifier', () => {
  test('is the same for the same name, and another for another name or fleet', () => {
    const one = mockVerifier('fleet', 'db-1/owner', 4096);
    expect(mockVerifier('fleet', 'db-1/owner', 4096)).toEqual(one);
    expect(one.salt).toHaveLength(SALT_BYTES);
    expect(one.iterations).toBe(4096);
    for (const other of [
      mockVerifier('fleet', 'db-2/owner', 4096),
      mockVerifier('x', 'db-1/owner', 4096),
    ]) {
      expect(other.salt).not.toEqual(one.salt);
      expect(other.storedKey).not.toEqual(one.storedKey);
      expect(other.serverKey).not.toEqual(one.serverKey);
    }
  });

  test('is fitted by no password', () => {
    const mock = mockVerifier('fleet', 'db-1/owner', 4096);
    for (const password of ['', 'fleet', 'db-1/owner'])
      expect(checkProof(mock, 'm', proofOf(password, mock.salt, 4096, 'm'))).toBeUndefined();
  });
});
