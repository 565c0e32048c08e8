import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Takes requests and notes when each had fully arrived: what a platform is at the least. Asked, it answers its notes. */
let arrivals: { id: number; atMs: number }[] = [];

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { id } = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    arrivals.push({ id, atMs: Date.now() });
    response.writeHead(201).end();
  });
});
server.keepAliveTimeout = 75_000;
server.listen(0, '127.0.0.1', () => process.send!({ ready: (server.address() as AddressInfo).port }));
process.on('message', () => {
  process.send!({ arrivals });
  arrivals = [];
});
process.once('SIGTERM', () => process.exit(0));
process.once('disconnect', () => process.exit(0));
