import { createServer } from 'node:net';
import type { Random } from '../load/random.ts';

/** Below the ports that systems give to who connects: a sender that tries again while no server listens could be given its own target. */
export async function freePort(random: Random): Promise<number> {
  for (;;) {
    const port = random.between(20_000, 32_000);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
