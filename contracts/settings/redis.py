"""The address of Redis, and how its TLS certificate is verified."""

import ssl
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import AfterValidator, SecretStr

from contracts.settings.base import Concern

_VERIFY = {"required": ssl.CERT_REQUIRED, "none": ssl.CERT_NONE}


def _redis_url(value: SecretStr) -> SecretStr:
    """Checks for what redis-py and Celery both accept. The message never has the value, which may hold a password."""
    text = value.get_secret_value().strip()
    try:
        url = urlsplit(text)
        number = url.path.removeprefix("/")
        good = (
            url.scheme in {"redis", "rediss"}
            and bool(url.hostname)
            and url.port != 0
            and (not number or (number.isdecimal() and number.isascii()))
            and dict(parse_qsl(url.query)).get("ssl_cert_reqs", "required") in _VERIFY
        )
    except ValueError:  # its text quotes the port: a part of the password, if that has a slash
        good = False
    if not good:
        raise ValueError(
            "must be redis://[user:password@]host[:port][/number], or rediss:// for TLS, with a password's special "
            "characters percent-encoded"
        )
    return SecretStr(text)


def _certificates(path: Path) -> Path:
    """Checks the file now, because a client's error would name neither the file nor the setting."""
    try:
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        raise ValueError(f"{path} holds no certificates in PEM form") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    return path


class RedisAddress(NamedTuple):
    """How to reach Redis. `tls`: keyword arguments for redis-py and kombu; empty without TLS."""

    url: str
    tls: dict[str, Any]


class RedisSettings(Concern):
    redis_url: Annotated[SecretStr, AfterValidator(_redis_url)] = SecretStr("redis://127.0.0.1:6379/0")
    """Redis (or Valkey) that holds the ledger and the Celery queues. If not set, `umpire up` starts an embedded one.
    With `rediss://` its certificate is verified, unless the URL ends in `?ssl_cert_reqs=none`."""
    redis_ca_location: Annotated[Path, AfterValidator(_certificates)] | None = None
    """File with the CA certificates (PEM) that Redis' certificate is checked against (`rediss://`). Not set: the
    system's CA certificates."""

    def address(self, url: str | None = None) -> RedisAddress:
        """The address for `url`, by default UMPIRE_REDIS_URL.

        Only here is decided how TLS certificates are verified. By default kombu accepts any certificate, Flower ignores
        the URL's parameters, and redis-py follows them.
        """
        whole = urlsplit(url or self.redis_url.get_secret_value())
        parameters = dict(parse_qsl(whole.query))
        own = {name: parameters.pop(name) for name in list(parameters) if name.startswith("ssl_")}
        bare = whole._replace(query=urlencode(parameters)).geturl()
        if whole.scheme != "rediss":
            return RedisAddress(bare, {})
        verify = _VERIFY[own.pop("ssl_cert_reqs", "required")]
        own["ssl_ca_certs"] = own.get("ssl_ca_certs") or (self.redis_ca_location and str(self.redis_ca_location)) or ""
        checks: dict[str, Any] = {"ssl_cert_reqs": verify, "ssl_check_hostname": verify is ssl.CERT_REQUIRED}
        return RedisAddress(bare, {**{name: value for name, value in own.items() if value}, **checks})
