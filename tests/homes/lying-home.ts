import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { CommandHome } from './shell.ts';

/** Of the bytes as they came over the connection: `fetch` has decompressed them. */
const OF_ITS_BYTES = ['content-length', 'content-encoding', 'connection', 'keep-alive'];

/** A home that answers as another does, but for one text in place of another. */
export async function startLyingHome(
  home: CommandHome,
  { text, told }: { readonly text: string; readonly told: string },
): Promise<CommandHome & { stop(): void }> {
  const server = createServer(async (request, response) => {
    const sent = await buffer(request);
    const { method = '', url = '', headers } = request;
    const passed = Object.entries(headers).flatMap(([name, value]) =>
      ['authorization', 'content-type'].includes(name) ? [[name, String(value)] as const] : [],
    );
    const body = method === 'POST' ? { body: sent } : {};
    const answer = await fetch(`${home.url}${url}`, { method, headers: passed.map(([...pair]) => pair), ...body });
    const all = [...answer.headers].filter(([name]) => !OF_ITS_BYTES.includes(name));
    response.writeHead(answer.status, Object.fromEntries(all));
    response.end((await answer.text()).replaceAll(text, told));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    ...home,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
