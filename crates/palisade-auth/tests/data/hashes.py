"""Hashes a password as Werkzeug, Django, passlib, bcrypt and argon2-cffi do, for `tests/python.rs`.

Reads the password from standard input, and writes a list of {"by", "hash"}.
"""

import json
import sys

import argon2
import bcrypt
import django
from django.conf import settings
from passlib import hash as passlib
from werkzeug.security import generate_password_hash

DJANGO = [
    "PBKDF2PasswordHasher",
    "Argon2PasswordHasher",
    "BCryptSHA256PasswordHasher",
    "BCryptPasswordHasher",
    "ScryptPasswordHasher",
]


def hashes(password):
    yield "werkzeug scrypt", generate_password_hash(password)
    yield "werkzeug pbkdf2", generate_password_hash(password, method="pbkdf2:sha256:1000")
    yield "werkzeug pbkdf2 sha512", generate_password_hash(password, method="pbkdf2:sha512:1000")

    settings.configure()
    django.setup()
    from django.contrib.auth import hashers

    for name in DJANGO:
        hasher = getattr(hashers, name)()
        if "BCrypt" in name:
            hasher.rounds = 5
        yield f"django {name}", hasher.encode(password, hasher.salt())

    yield "passlib pbkdf2-sha256", passlib.pbkdf2_sha256.using(rounds=1000).hash(password)
    yield "passlib pbkdf2-sha512", passlib.pbkdf2_sha512.using(rounds=1000).hash(password)
    yield "passlib argon2", passlib.argon2.hash(password)
    yield "passlib scrypt", passlib.scrypt.using(rounds=10).hash(password)
    for ident in ["2a", "2b", "2y"]:
        yield f"passlib {ident}", passlib.bcrypt.using(rounds=5, ident=ident).hash(password)
    yield "passlib bcrypt-sha256", passlib.bcrypt_sha256.using(rounds=5).hash(password)

    for prefix in [b"2a", b"2b"]:
        salt = bcrypt.gensalt(5, prefix)
        yield f"bcrypt {prefix.decode()}", bcrypt.hashpw(password.encode(), salt).decode()

    yield "argon2-cffi", argon2.PasswordHasher().hash(password)


by = [{"by": by, "hash": text} for by, text in hashes(sys.stdin.read())]
json.dump(by, sys.stdout)
