"""How a process uses Redis: start-up checks, group commit, timeouts, temporary errors. Knows no request."""
