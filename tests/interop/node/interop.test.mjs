// openid-client and oauth4webapi against a running service: both find everything by discovery and know nothing else.
// Each way to authenticate gets a token, validates it, introspects it, revokes it, and sees it gone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { AUDIENCE, PERMISSION, issuer, makeClient, tokenOfThePage, tokeninfo } from './deployment.mjs';

const insecure = { [oauth.allowInsecureRequests]: true };

/** A key pair of the client, and its registration. */
async function keyClient(algorithm) {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  const publicJwk = { ...(await exportJWK(publicKey)), kid: `key-${algorithm}`, use: 'sig', alg: algorithm };
  const registered = await makeClient({ token_endpoint_auth_method: 'private_key_jwt', public_key: publicJwk });
  return { id: registered.client_id, key: { key: privateKey, kid: publicJwk.kid } };
}

async function secretClient(method) {
  const registered = await makeClient({ token_endpoint_auth_method: method });
  return { id: registered.client_id, secret: registered.client_secret };
}

/** Every way a client may authenticate: how it is made, and how each library does it. */
const ways = [
  {
    name: 'client_secret_basic',
    make: () => secretClient('client_secret_basic'),
    oauth4webapi: ({ secret }) => oauth.ClientSecretBasic(secret),
    openidClient: ({ secret }) => openid.ClientSecretBasic(secret),
  },
  {
    name: 'client_secret_post',
    make: () => secretClient('client_secret_post'),
    oauth4webapi: ({ secret }) => oauth.ClientSecretPost(secret),
    openidClient: ({ secret }) => openid.ClientSecretPost(secret),
  },
  ...['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'].map((algorithm) => ({
    name: `private_key_jwt ${algorithm}`,
    make: () => keyClient(algorithm),
    oauth4webapi: ({ key }) => oauth.PrivateKeyJwt(key),
    openidClient: ({ key }) => openid.PrivateKeyJwt(key),
  })),
];

async function discover(algorithm) {
  const answer = await oauth.discoveryRequest(issuer, { algorithm, ...insecure });
  return oauth.processDiscoveryResponse(issuer, answer);
}

for (const algorithm of ['oidc', 'oauth2']) {
  test(`oauth4webapi reads the ${algorithm} metadata`, async () => {
    const server = await discover(algorithm);
    assert.equal(server.issuer, issuer.href.replace(/\/$/, ''));
    for (const endpoint of ['token_endpoint', 'jwks_uri', 'introspection_endpoint', 'revocation_endpoint']) {
      assert.ok(server[endpoint]?.startsWith(issuer.origin), endpoint);
    }
  });
}

for (const way of ways) {
  test(`oauth4webapi: ${way.name}`, async () => {
    const made = await way.make();
    const server = await discover('oauth2');
    const client = { client_id: made.id };
    const authentication = way.oauth4webapi(made);
    const parameters = new URLSearchParams({ audience: AUDIENCE });
    const answer = await oauth.clientCredentialsGrantRequest(server, client, authentication, parameters, insecure);
    const { access_token: token, token_type: type, expires_in: lifetime } =
      await oauth.processClientCredentialsResponse(server, client, answer);
    assert.equal(type, 'bearer');
    assert.ok(lifetime > 0);

    const request = new Request(AUDIENCE, { headers: { authorization: `Bearer ${token}` } });
    const claims = await oauth.validateJwtAccessToken(server, request, AUDIENCE, insecure);
    assert.equal(claims.sub, made.id);
    assert.deepEqual(claims.permissions, [PERMISSION]);

    const introspect = async () => oauth.processIntrospectionResponse(
      server, client, await oauth.introspectionRequest(server, client, authentication, token, insecure));
    const active = await introspect();
    assert.equal(active.active, true);
    assert.equal(active.client_id, made.id);
    assert.equal(active.jti, claims.jti);

    await oauth.processRevocationResponse(
      await oauth.revocationRequest(server, client, authentication, token, insecure));
    assert.deepEqual(await introspect(), { active: false });
    assert.equal(await tokeninfo(token), 401);
  });

  test(`openid-client: ${way.name}`, async () => {
    const made = await way.make();
    const config = await openid.discovery(issuer, made.id, undefined, way.openidClient(made), {
      execute: [openid.allowInsecureRequests],
    });
    const { access_token: token } = await openid.clientCredentialsGrant(config, { resource: AUDIENCE });
    assert.equal((await openid.tokenIntrospection(config, token)).active, true);
    await openid.tokenRevocation(config, token);
    assert.deepEqual(await openid.tokenIntrospection(config, token), { active: false });

    const again = await openid.clientCredentialsGrant(config, { resource: AUDIENCE });
    assert.notEqual(again.access_token, token);
    assert.equal((await openid.tokenIntrospection(config, again.access_token)).active, true);
  });
}

test('the lines of the page get a token', async () => {
  const withSecret = await secretClient('client_secret_basic');
  const values = { clientId: withSecret.id, clientSecret: withSecret.secret };
  assert.equal(await tokeninfo(await tokenOfThePage('openid-client', values)), 200);
  const { id, key } = await keyClient('ES256');
  const token = await tokenOfThePage('oauth4webapi', { clientId: id, privateKey: key.key, kid: key.kid });
  assert.equal(await tokeninfo(token), 200);
});

test('errors arrive as what they are', async () => {
  const made = await secretClient('client_secret_basic');
  const connect = (secret) => openid.discovery(issuer, made.id, undefined, openid.ClientSecretBasic(secret), {
    execute: [openid.allowInsecureRequests],
  });
  // RFC 6749 §5.2 wants a challenge with this 401, and the library reads it first.
  await assert.rejects(openid.clientCredentialsGrant(await connect('wrong')), {
    code: 'OAUTH_WWW_AUTHENTICATE_CHALLENGE',
    status: 401,
  });
  const config = await connect(made.secret);
  await assert.rejects(openid.clientCredentialsGrant(config, { resource: 'https://elsewhere.example' }), {
    error: 'invalid_target',
    status: 400,
  });
});
