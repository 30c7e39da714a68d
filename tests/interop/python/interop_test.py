"""Authlib and requests-oauth2client against a running service.

Each way to authenticate gets a token, validates it, introspects it, revokes it, and sees it gone.
Run with `cargo xtask interop`.
"""

import os
import pathlib
import time
import unittest

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from requests_oauth2client import (
    ClientSecretBasic,
    ClientSecretPost,
    InvalidClient,
    InvalidTarget,
    OAuth2Client,
    PrivateKeyJwt,
)

ISSUER = os.environ["GETTONE_ISSUER"]
MANAGEMENT = os.environ["GETTONE_MANAGEMENT_URL"]
MANAGEMENT_TOKEN = os.environ["GETTONE_MANAGEMENT_TOKEN"]
AUDIENCE = "https://api.example/orders"
PERMISSION = "read:orders"

METADATA = requests.get(f"{ISSUER}/.well-known/oauth-authorization-server", timeout=10).json()
KEYS = {
    "RS256": lambda: RSAKey.generate_key(2048, {"kid": "RS256", "use": "sig", "alg": "RS256"}),
    "PS256": lambda: RSAKey.generate_key(2048, {"kid": "PS256", "use": "sig", "alg": "PS256"}),
    "ES256": lambda: ECKey.generate_key("P-256", {"kid": "ES256", "use": "sig", "alg": "ES256"}),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519", {"kid": "EdDSA", "use": "sig", "alg": "EdDSA"}),
}


def make_client(**members):
    """An operator makes a client; returns its id and, if it has one, its secret."""
    body = {"client_name": "interop", "audience": [AUDIENCE], "permissions": [PERMISSION], **members}
    answer = requests.post(
        f"{MANAGEMENT}/clients", json=body, headers={"Authorization": f"Bearer {MANAGEMENT_TOKEN}"}, timeout=10
    )
    assert answer.status_code == 201, answer.text
    registered = answer.json()
    return registered["client_id"], registered.get("client_secret")


def tokeninfo(token):
    """The status of /tokeninfo for this token."""
    return requests.get(f"{ISSUER}/tokeninfo", headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code


def claims_of(token):
    """The claims of an access token, checked against the published keys."""
    keys = KeySet.import_key_set(requests.get(METADATA["jwks_uri"], timeout=10).json())
    decoded = jwt.decode(token, keys, algorithms=["RS256", "PS256", "ES256", "EdDSA"])
    registry = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": AUDIENCE}, exp={"essential": True}
    )
    registry.validate(decoded.claims)
    assert decoded.header["typ"] == "at+jwt", decoded.header
    return decoded.claims


class AssertionForTheIssuer(PrivateKeyJWT):
    """Authlib's assertions as RFC 10070 and our limit want them: for the issuer, for a minute, each with its own jti."""

    def __init__(self, key_id, algorithm):
        # The parameter is called token_endpoint; what it sets is the audience.
        super().__init__(token_endpoint=ISSUER, headers={"kid": key_id}, alg=algorithm)

    def sign(self, auth, token_endpoint):
        # Anew each time: Authlib keeps the jti that it adds here.
        self.claims = {"exp": int(time.time()) + 60}
        return super().sign(auth, token_endpoint)


class Authlib(unittest.TestCase):
    """Authlib knows no discovery for this grant: it is told the endpoints."""

    def walk(self, session, client_id):
        token = session.fetch_token(METADATA["token_endpoint"], grant_type="client_credentials", audience=AUDIENCE)
        self.assertEqual(token["token_type"], "Bearer")
        text = token["access_token"]
        self.assertEqual(claims_of(text)["sub"], client_id)

        def introspected():
            return session.introspect_token(METADATA["introspection_endpoint"], token=text).json()

        active = introspected()
        self.assertTrue(active["active"])
        self.assertEqual(active["client_id"], client_id)
        revoked = session.revoke_token(METADATA["revocation_endpoint"], token=text, token_type_hint="access_token")
        self.assertEqual(revoked.status_code, 200)
        self.assertEqual(introspected(), {"active": False})
        self.assertEqual(tokeninfo(text), 401)

    def test_secrets(self):
        for method in ("client_secret_basic", "client_secret_post"):
            with self.subTest(method):
                client_id, secret = make_client(token_endpoint_auth_method=method)
                self.walk(self.session(client_id, secret, method), client_id)

    def test_private_key_jwt(self):
        for algorithm, generate in KEYS.items():
            with self.subTest(algorithm):
                key = generate()
                client_id, _ = make_client(
                    token_endpoint_auth_method="private_key_jwt", public_key=key.as_dict(private=False)
                )
                session = self.session(client_id, key, PrivateKeyJWT.name)
                session.register_client_auth_method(AssertionForTheIssuer(key.kid, algorithm))
                self.walk(session, client_id)

    def session(self, client_id, secret, method):
        return OAuth2Session(
            client_id, secret, token_endpoint_auth_method=method, revocation_endpoint_auth_method=method
        )


class RequestsOauth2client(unittest.TestCase):
    """requests-oauth2client finds the endpoints by discovery."""

    def client(self, auth):
        return OAuth2Client.from_discovery_document(METADATA, issuer=ISSUER, auth=auth, testing=True)

    def walk(self, auth, client_id):
        client = self.client(auth)
        token = client.client_credentials(audience=AUDIENCE)
        self.assertEqual(claims_of(token.access_token)["permissions"], [PERMISSION])
        self.assertTrue(client.introspect_token(token)["active"])
        self.assertTrue(client.revoke_access_token(token))
        self.assertEqual(client.introspect_token(token), {"active": False})
        self.assertEqual(tokeninfo(token.access_token), 401)

    def test_secrets(self):
        for method, auth in (("client_secret_basic", ClientSecretBasic), ("client_secret_post", ClientSecretPost)):
            with self.subTest(method):
                client_id, secret = make_client(token_endpoint_auth_method=method)
                self.walk(auth(client_id, secret), client_id)

    def test_private_key_jwt(self):
        for algorithm, generate in KEYS.items():
            with self.subTest(algorithm):
                key = generate()
                client_id, _ = make_client(
                    token_endpoint_auth_method="private_key_jwt", public_key=key.as_dict(private=False)
                )
                self.walk(PrivateKeyJwt(client_id, key.as_dict(private=True), alg=algorithm, aud=ISSUER), client_id)

    def test_errors_arrive_as_what_they_are(self):
        client_id, secret = make_client()
        with self.assertRaises(InvalidClient):
            self.client(ClientSecretBasic(client_id, "wrong")).client_credentials()
        with self.assertRaises(InvalidTarget):
            self.client(ClientSecretBasic(client_id, secret)).client_credentials(audience="https://elsewhere.example")


class ThePage(unittest.TestCase):
    """The lines of docs/http-api.md, run as they stand."""

    def test_its_lines_get_a_token(self):
        page = pathlib.Path(os.environ["GETTONE_PAGE"]).read_text(encoding="utf-8")
        for library in ("Authlib", "requests-oauth2client"):
            with self.subTest(library):
                key = KEYS["ES256"]()
                client_id, _ = make_client(
                    token_endpoint_auth_method="private_key_jwt", public_key=key.as_dict(private=False)
                )
                lines = page.split(f"<!-- interop {library} -->\n```python\n")[1].split("```")[0]
                names = {
                    "issuer": ISSUER,
                    "audience": AUDIENCE,
                    "client_id": client_id,
                    "kid": key.kid,
                    "private_key": key.as_pem(private=True).decode(),
                    "private_jwk": key.as_dict(private=True),
                }
                exec(lines, names)
                self.assertEqual(tokeninfo(names["token"]), 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
