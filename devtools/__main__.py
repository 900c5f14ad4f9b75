"""Installs what pip cannot: `python -m devtools install-aimock | install-kafka | install-openapi-typescript`."""

import sys

from devtools.aimock import install_aimock
from devtools.kafka import install_kafka
from devtools.openapi_typescript import install_openapi_typescript
from devtools.servers import ServerMissing

COMMANDS = {
    "install-aimock": install_aimock,
    "install-kafka": install_kafka,
    "install-openapi-typescript": install_openapi_typescript,
}


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        raise SystemExit(f"usage: python -m devtools {' | '.join(COMMANDS)}")
    try:
        sys.stdout.write(f"{COMMANDS[arguments[0]]()}\n")
    except ServerMissing as missing:
        raise SystemExit(f"not installed: {missing}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
