/** A plain HTTP address for the load balancer, as it has one in the VPC: the emulator answers for it by the Host header. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Agent, request } from 'node:https';

export interface FrontDoor {
  readonly url: string;
  close(): Promise<void>;
}

export async function openFrontDoor(endpoint: string, balancerDns: string): Promise<FrontDoor> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const server = createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, host: balancerDns };
    // The certificate is for the emulator, and not for the load balancer's name.
    const options = { method: incoming.method, headers, agent, servername: 'localhost' };
    const forwarded = request(new URL(incoming.url ?? '/', endpoint), options, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    forwarded.on('error', () => outgoing.destroy());
    incoming.pipe(forwarded);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error(`no port: ${address}`);
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: async () => {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
