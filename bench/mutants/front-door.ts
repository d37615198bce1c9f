/** The guards of the proxy's front door (docs/decisions/0008-the-front-door.md). */
import type { Mutant } from './list.ts';

const TLS = 'test/proxy/tls.stack.test.ts';
const LIFE = 'test/proxy/tls-life.stack.test.ts';
const VERSION = 'test/proxy/version.stack.test.ts';
const EXCHANGE = 'proxy/scram-exchange.ts';

const ROLES = 'test/proxy/roles.stack.test.ts';

const roles: readonly Mutant[] = [
  {
    name: 'a login goes by what is remembered while the database runs',
    file: 'proxy/access-cache.ts',
    edits: [['route === undefined || isFresh ? nothing : askHost(database, route)', 'nothing']],
    shownBy: [ROLES, 'as soon as it is made'],
  },
  {
    name: 'what was asked for while it ran counts when it sleeps',
    file: 'proxy/access-cache.ts',
    edits: [["said === 'over' ? await", 'false ? await']],
    shownBy: ['test/proxy/access-host.unit.test.ts', 'an entry of before does not count'],
  },
  {
    name: 'a run ends without a last look at its roles',
    file: 'host/suspend.ts',
    edits: [['await context.roles.take(slot, last.authid);', 'await Promise.resolve();']],
    shownBy: [ROLES, 'takes the place of the other at once'],
  },
  {
    name: 'nobody looks at roles after a crash',
    file: 'host/supervise.ts',
    edits: [['    context.roles.recover(running);\n', '']],
    shownBy: [ROLES, 'before a crash is taken'],
  },
  {
    name: 'a salt goes by what is remembered though SQL has changed it',
    file: 'host/roles.ts',
    edits: [['      await mark(context.run, database, identity.version + 1);\n', '']],
    shownBy: [ROLES, 'takes the place of the other at once'],
  },
  {
    name: 'a password of SQL overrides every rotation since',
    file: 'model/authid.ts',
    edits: [['known !== undefined && hash === before', "known !== undefined && hash === ''"]],
    shownBy: [ROLES, 'a rotation by the api stays'],
  },
  {
    name: 'NOLOGIN lets in',
    file: 'proxy/login.ts',
    edits: [['?.login === false)', '?.login === undefined && false)']],
    shownBy: [ROLES, 'is kept out without a wake'],
  },
  {
    name: 'VALID UNTIL is not looked at',
    file: 'proxy/login.ts',
    edits: [['role.valid_until <= Date.now()', 'false']],
    shownBy: [ROLES, 'is kept out without a wake'],
  },
  {
    name: 'false logins are not counted',
    file: 'proxy/connection.ts',
    edits: [["if (codeOf(error) === 'login_refused') deps.attempts.failed(attempt);", '']],
    shownBy: ['test/proxy/attempts.stack.test.ts', 'a flood of them is judged'],
  },
  {
    name: 'a silent agent is waited for by every login',
    file: 'proxy/host-access.ts',
    edits: [["(silent.get(socket) ?? silent.get(key)) ? 'silent' : answer", 'answer']],
    shownBy: [ROLES, 'a silent agent keeps nobody out'],
  },
];

const guards: readonly Mutant[] = [
  {
    name: 'bytes from before the handshake are forgotten instead of refused',
    file: 'proxy/front.ts',
    edits: [['    checkNothingAhead(front);\n', '']],
    shownBy: [TLS, 'sends bytes behind its request'],
  },
  {
    name: 'encryption may be asked for inside TLS',
    file: 'proxy/front.ts',
    edits: [['if (front.channel !== undefined) throw', 'if (false) throw']],
    shownBy: [TLS, 'inside TLS'],
  },
  {
    name: 'TLS at once needs no ALPN',
    file: 'proxy/front.ts',
    edits: [['if (alpnProtocol !== ALPN) throw', 'if (false) throw']],
    shownBy: [TLS, 'may begin with TLS at once'],
  },
  {
    name: 'an old TLS is spoken',
    file: 'proxy/tls.ts',
    edits: [["minVersion: 'TLSv1.2'", "minVersion: 'TLSv1', ciphers: 'ALL@SECLEVEL=0'"]],
    shownBy: [TLS, 'of an older TLS'],
  },
  {
    name: 'a client may negotiate again',
    file: 'proxy/tls.ts',
    edits: [['crypto.SSL_OP_NO_RENEGOTIATION', '0']],
    shownBy: [TLS, 'may not negotiate again'],
  },
  {
    name: 'a handshake may take for ever',
    file: 'proxy/tls.ts',
    edits: [["    signal.addEventListener('abort', onAbort, { once: true });\n", '']],
    shownBy: [TLS, 'never ends its handshake'],
  },
  {
    name: 'a database that requires TLS takes plain logins',
    file: 'proxy/login.ts',
    edits: [["access.tls === 'required' && front.channel === undefined", 'false']],
    shownBy: [TLS, 'refuses a plain login'],
  },
  {
    name: 'any hash binds to the channel',
    file: EXCHANGE,
    edits: [['if (binding !== exchange.binding) throw', 'if (false) throw']],
    shownBy: [TLS, 'to another certificate is refused'],
  },
  {
    name: 'a downgrade passes',
    file: 'proxy/login.ts',
    edits: [['isDowngraded(first, mechanisms) ? undefined : signature', 'signature']],
    shownBy: [TLS, 'believes that we offer no binding'],
  },
  {
    name: 'binding is offered without anything to bind to',
    file: 'proxy/login.ts',
    edits: [['channel?.endPoint !== undefined', 'channel !== undefined']],
    shownBy: [TLS, 'is not offered where'],
  },
  {
    name: 'a new certificate does not hold for who comes next',
    file: 'proxy/server.ts',
    edits: [
      [
        'certificate = () => undefined } = options',
        'certificate: now = () => undefined } = options',
      ],
      [
        'const limits = { holdMs, loginMs };',
        'const limits = { holdMs, loginMs };\n  const first = now();\n  const certificate = () => first;',
      ],
    ],
    shownBy: [LIFE, 'that is replaced holds'],
  },
  {
    name: 'a key that the user can not read is taken',
    file: 'proxy/main.ts',
    edits: [['checkReadable([...', 'void ([...']],
    shownBy: ['test/proxy/main.stack.test.ts', 'could not read again'],
  },
  {
    name: 'the secret of a cancel key does not count',
    file: 'proxy/cancel.ts',
    edits: [['if (!timingSafeEqual(target.ours, secret)) return false;', '']],
    shownBy: [VERSION, 'cancels its own session'],
  },
  {
    name: 'clients of 3.0 get long cancel keys',
    file: 'proxy/cancel.ts',
    edits: [['minor < LONG_SINCE ? SECRET_BYTES.short', 'minor < 0 ? SECRET_BYTES.short']],
    shownBy: [VERSION, 'is answered as by Postgres'],
  },
  {
    name: 'a version above ours is not negotiated',
    file: 'proxy/startup.ts',
    edits: [['startup.minor > MINOR_MAX || ', '']],
    shownBy: [VERSION, 'is answered as by Postgres'],
  },
  {
    name: 'replication goes on to Postgres',
    file: 'proxy/login.ts',
    edits: [['if (login.replication) throw', 'if (false) throw']],
    shownBy: [VERSION, 'is refused in clear words'],
  },
];

const GATE = 'test/proxy/gate.stack.test.ts';

const gates: readonly Mutant[] = [
  {
    name: 'a gate lets everybody in',
    file: 'proxy/gate.ts',
    edits: [
      [
        'requestCert: true, rejectUnauthorized: true',
        'requestCert: true, rejectUnauthorized: false',
      ],
    ],
    shownBy: [GATE, 'a stranger is not let in'],
  },
  {
    name: 'a gate leads wherever it is asked to',
    file: 'proxy/gate.ts',
    edits: [['!isServed(found.line, folders)', 'folders.length === 0']],
    shownBy: [GATE, 'a gate leads nowhere else'],
  },
  {
    name: 'a proxy does not look at the name of a gate',
    file: 'proxy/peers.ts',
    edits: [['allowHalfOpen, ALPN', 'checkServerIdentity: () => undefined, allowHalfOpen, ALPN']],
    shownBy: [GATE, 'a gate of another name'],
  },
];

export const FRONT_DOOR: readonly Mutant[] = [...guards, ...roles, ...gates].map((one) => ({
  ...one,
  name: `front door: ${one.name}`,
}));
