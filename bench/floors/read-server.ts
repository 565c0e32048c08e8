import type { AddressInfo } from 'node:net';
import express, { type RequestHandler } from 'express';
import { jwtVerify } from 'jose';
import pg from 'pg';

/**
 * An authenticated read with nothing around it: Express, a verified token, one row by its key. `/plain/{id}` without a
 * tenant, `/scoped/{id}` under row-level security in four round trips, as it is commonly done.
 */
const { DATABASE_URL, SECRET, ISSUER, AUDIENCE, TENANT, CONNECTIONS } = process.env;

const key = new TextEncoder().encode(SECRET);
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: Number(CONNECTIONS) });
const select = { name: 'read-post', text: 'select * from floor_posts where id = $1' };

const verify: RequestHandler = async (request, _response, next) => {
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  await jwtVerify(token, key, { issuer: ISSUER, audience: AUDIENCE, algorithms: ['HS256'] });
  next();
};

async function readScoped(id: string): Promise<unknown> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query({
      name: 'scope',
      text: "select set_config('role', 'floor_reader', true), set_config('floor.tenant', $1, true)",
      values: [TENANT],
    });
    const { rows } = await client.query({ ...select, values: [id] });
    await client.query('commit');
    return rows[0];
  } finally {
    client.release();
  }
}

const app = express();
app.disable('etag');
app.get('/plain/:id', verify, async (request, response) => {
  const { rows } = await pool.query({ ...select, values: [request.params.id] });
  response.json(rows[0]);
});
app.get('/scoped/:id', verify, async (request, response) => {
  response.json(await readScoped(String(request.params.id)));
});
const server = app.listen(0, '127.0.0.1', () => {
  process.send!({ ready: (server.address() as AddressInfo).port });
});
process.once('SIGTERM', () => process.exit(0));
process.once('disconnect', () => process.exit(0));
