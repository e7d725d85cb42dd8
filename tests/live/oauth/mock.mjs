// A token server that answers as it is told to, on a free port of this machine. Prints its address, and ends when its standard input
// does. Each line of its input is JSON, which holds until the next one, and is answered with a line:
//
//   {"status": 503, "body": {}}      all token requests are answered so
//   {"fields": {"expires_in": -1}}   tokens are given, with these fields changed; null takes one out

import { createInterface } from 'node:readline';
import { OAuth2Server } from 'oauth2-mock-server';

const server = new OAuth2Server();
await server.issuer.keys.generate('RS256');
await server.start(0, '127.0.0.1');

let order = {};
server.service.on('beforeResponse', (response) => {
  if (order.status) {
    response.statusCode = order.status;
    response.body = order.body;
    return;
  }
  for (const [name, value] of Object.entries(order.fields ?? {})) {
    if (value === null) {
      delete response.body[name];
    } else {
      response.body[name] = value;
    }
  }
});

console.log(`http://127.0.0.1:${server.address().port}`);
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  order = JSON.parse(line);
  console.log('so be it');
});
lines.on('close', () => process.exit());
