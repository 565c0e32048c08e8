import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Takes bytes and lets them go: what a platform that is uploaded to is at the least. Asked, it answers how many came. */
let receivedBytes = 0;

const server = createServer((request, response) => {
  request.on('data', (chunk: Buffer) => {
    receivedBytes += chunk.byteLength;
  });
  request.on('end', () => response.writeHead(308, { 'content-length': '0' }).end());
});
server.keepAliveTimeout = 75_000;
server.listen(0, '127.0.0.1', () => process.send!({ ready: (server.address() as AddressInfo).port }));
process.on('message', () => {
  process.send!({ receivedBytes });
  receivedBytes = 0;
});
process.once('SIGTERM', () => process.exit(0));
process.once('disconnect', () => process.exit(0));
