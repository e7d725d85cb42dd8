// An organisation's authorization server on a free port of this machine, in memory, with a small API behind it. Prints its address,
// and ends when its standard input does: with the process that started it, however that ends.
//
//   node provider.mjs production|sandbox SECONDS_OF_A_TOKEN

import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const [kind, life] = [process.argv[2], Number(process.argv[3])];
const books = { refreshed: 0, refused: 0 };

function json(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/** A person who consents to all that is asked of `login_hint`; `nobody` consents to nothing. */
async function person(provider, request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  const finish = (result) => provider.interactionFinished(request, response, result);
  if (params.login_hint === 'nobody') {
    return finish({ error: 'access_denied' });
  }
  if (prompt.name === 'login') {
    return finish({ login: { accountId: params.login_hint } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return finish({ consent: { grantId: await grant.save() } });
}

/** Whose organisation a token is of. */
async function organization(provider, request, response) {
  const bearer = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
  const found = (await provider.AccessToken.find(bearer)) ?? (await provider.ClientCredentials.find(bearer));
  if (!found) {
    return json(response, 401, { error: 'invalid_token' });
  }
  return json(response, 200, { id: found.accountId ?? found.clientId, sandbox: kind === 'sandbox' });
}

let answer;
const server = createServer((request, response) => answer(request, response));
server.listen(0, '127.0.0.1', () => {
  const address = `http://127.0.0.1:${server.address().port}`;
  const secret = 'a-secret-of-the-client';
  const provider = new Provider(address, {
    clients: [
      {
        client_id: 'crm',
        client_secret: secret,
        token_endpoint_auth_method: 'client_secret_post',
        redirect_uris: ['https://host.example.com/callback'],
        grant_types: ['authorization_code', 'refresh_token'],
      },
      {
        client_id: 'robot',
        client_secret: secret,
        redirect_uris: [],
        response_types: [],
        grant_types: ['client_credentials'],
      },
    ],
    scopes: ['openid', 'offline_access', 'read'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
    },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    clockTolerance: 0,
    ttl: { AccessToken: life, ClientCredentials: life, RefreshToken: 3600, Grant: 3600, Session: 3600, Interaction: 600 },
    interactions: { url: (_, interaction) => `/person/${interaction.uid}` },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    cookies: { keys: ['of-a-test'] },
  });
  const refreshes = (context) => context.oidc.params?.grant_type === 'refresh_token';
  provider.on('grant.success', (context) => { books.refreshed += refreshes(context); });
  provider.on('grant.error', (context) => { books.refused += refreshes(context); });
  const protocol = provider.callback();
  answer = (request, response) => {
    if (request.url.startsWith('/person/')) {
      return person(provider, request, response);
    }
    switch (request.url) {
      case '/api/organization': return organization(provider, request, response);
      case '/api/books': return json(response, 200, books);
      default: return protocol(request, response);
    }
  };
  console.log(address);
});
process.stdin.on('end', () => process.exit()).resume();
