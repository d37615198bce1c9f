/**
 * `node dev/healthcheck.mjs <url>`: ends with 0 if the address answers 200 within two seconds. The
 * image has neither curl nor wget.
 */
import { get } from 'node:http';

const unhealthy = () => {
  process.exitCode = 1;
};

const request = get(process.argv[2], { timeout: 2_000, agent: false }, (answer) => {
  answer.resume();
  if (answer.statusCode !== 200) unhealthy();
});
request.once('error', unhealthy);
request.once('timeout', () => request.destroy(new Error('no answer')));
