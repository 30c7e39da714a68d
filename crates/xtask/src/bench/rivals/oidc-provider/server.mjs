// node-oidc-provider with one client that gets signed JWTs for its secret, as client-credentials issues them: the
// algorithm is the only argument, the port is printed.
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const alg = process.argv[2];
const { privateKey } = alg === 'ES256'
  ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
  : generateKeyPairSync('rsa', { modulusLength: 2048 });
const resource = 'urn:example:api';

const provider = new Provider('http://localhost', {
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: 'bench' }] },
  clients: [{
    client_id: 'bench', client_secret: 'secret-of-the-benchmark-0123456789', grant_types: ['client_credentials'],
    redirect_uris: [], response_types: [], id_token_signed_response_alg: alg,
  }],
  scopes: ['read'],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      getResourceServerInfo: () => ({
        scope: 'read', audience: resource, accessTokenTTL: 900, accessTokenFormat: 'jwt', jwt: { sign: { alg } },
      }),
    },
  },
});

const server = provider.listen(0, '127.0.0.1', () => console.log(server.address().port));
// As long as client-credentials: connections of the load are not to be closed between two requests.
server.keepAliveTimeout = 75_000;
