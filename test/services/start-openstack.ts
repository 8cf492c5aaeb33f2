// Keeps Swift and Keystone up until it is ended, for test files that are run one at a time. Prints one line:
// the value for TUNDRA_OPENSTACK. An argument is the life of a token in seconds.
import { once } from 'node:events';
import { startOpenStack } from './openstack.js';

const life = process.argv[2];
const services = await startOpenStack(life === undefined ? {} : { tokenLifeSeconds: Number(life) });
console.log(services.description);
const alive = setInterval(() => {}, 60_000);
await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
clearInterval(alive);
await services.stop();
