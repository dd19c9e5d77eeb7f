"""Signs and verifies tokens with PyJWT and joserfc, for `tests/python.rs`.

Reads from standard input a list of {"alg", "private", "public", "token"}: keys in PEM, or one secret for both, and a token
of palisade-auth. Writes what each library signed, and what each read out of that token.
"""

import json
import sys
import time

import jwt
from joserfc import jwt as jose
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

KEYS = {"H": OctKey, "R": RSAKey, "P": RSAKey, "ES": ECKey, "Ed": OKPKey}


def joserfc_key(alg, text):
    return (KEYS.get(alg[:2]) or KEYS[alg[0]]).import_key(text)


def main():
    now = int(time.time())
    answers = []
    for case in json.load(sys.stdin):
        alg = case["alg"]
        header = {"alg": alg, "typ": "at+jwt"}
        claims = {
            "iss": "python", "sub": "alice", "aud": "api", "iat": now, "exp": now + 600,
            "jti": "t-1", "scope": "read write", "name": "Zoë",
        }
        private = joserfc_key(alg, case["private"])
        public = joserfc_key(alg, case["public"])
        read = jwt.decode(
            case["token"], case["public"], algorithms=[alg], audience="api", issuer="palisade"
        )
        also_read = jose.decode(case["token"], public, algorithms=[alg]).claims
        answers.append({
            "alg": alg,
            "pyjwt": jwt.encode(claims, case["private"], algorithm=alg, headers={"typ": "at+jwt"}),
            "joserfc": jose.encode(header, claims, private, algorithms=[alg]),
            "read": [read, also_read],
        })
    json.dump(answers, sys.stdout)


main()
