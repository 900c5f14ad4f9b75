from umpire_api import api, no_flush, settings, worker

__all__ = ["api", "no_flush", "settings", "worker"]
