"""Files sealed with the environment's passphrase: whoever has the sealed bytes alone can neither read nor change them."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

SALT = 16  # bytes
NONCE = 12  # bytes, what AES-GCM takes
COST = 2**15  # of scrypt: 32 MiB of memory and a tenth of a second for one guess


def seal(files: Mapping[str, bytes], passphrase: str) -> bytes:
    """The files by name, encrypted by AES-256-GCM under a key from the passphrase by scrypt (RFC 7914)."""
    salt, nonce = secrets.token_bytes(SALT), secrets.token_bytes(NONCE)
    text = json.dumps({name: base64.b64encode(data).decode() for name, data in files.items()})
    return salt + nonce + AESGCM(_key(passphrase, salt)).encrypt(nonce, text.encode(), None)


def unseal(sealed: bytes, passphrase: str) -> dict[str, bytes]:
    """The files again. Raises ValueError when it is another passphrase, or when a byte was changed."""
    salt, nonce, rest = sealed[:SALT], sealed[SALT : SALT + NONCE], sealed[SALT + NONCE :]
    try:
        text = AESGCM(_key(passphrase, salt)).decrypt(nonce, rest, None)
    except (InvalidTag, ValueError):  # the second: it was cut off
        raise ValueError("it was sealed with another passphrase, or it was changed") from None
    return {name: base64.b64decode(data) for name, data in json.loads(text).items()}


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=COST, r=8, p=1).derive(passphrase.encode())
