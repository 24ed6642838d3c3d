"""
Verifies a Latchkey access token in another language, with PyJWT (Debian: python3-jwt python3-cryptography; pip: pyjwt[crypto]).

    python3 verify-token.py https://app.example.com < token
"""

import json
import sys
from typing import Optional

import jwt


def keys_of(origin: str, url: Optional[str] = None) -> jwt.PyJWKClient:
    """
    The public keys of an app. Keep them for as long as the process lives: they are fetched once, and again when they are five
    minutes old or a token names one that is not among them, which is what an exchange of the app's secret looks like.
    """
    return jwt.PyJWKClient(url or f"{origin}/api/auth/keys", lifespan=300)


def verified_claims(token: str, origin: str, keys: jwt.PyJWKClient) -> dict:
    """
    The claims of a token that the app signed and that has not expired: `sub` is the user, `sid` the session, `role` the role.
    Raises jwt.PyJWTError for any other. `origin` is the app's own, as in APP_URL: scheme and host, no slash at the end.
    What is accepted is fixed here and never taken from the token (RFC 8725, section 3).
    """
    header = jwt.get_unverified_header(token)
    # First, so that what is no access token at all makes nobody fetch keys.
    if header.get("typ") != "at+jwt" or header.get("alg") != "ES256":
        raise jwt.InvalidTokenError("not an access token")
    return jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token).key,
        algorithms=["ES256"],
        issuer=origin,
        audience=origin,
        options={"require": ["sub", "sid", "role", "iat", "exp", "iss", "aud"]},
    )


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: verify-token.py ORIGIN [KEYS_URL] < token")
    try:
        keys = keys_of(*sys.argv[1:])
        print(json.dumps(verified_claims(sys.stdin.read().strip(), sys.argv[1], keys)))
    except jwt.PyJWTError as error:
        sys.exit(f"refused: {error}")
