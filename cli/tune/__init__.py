"""`umpire tune`: measures how many calls a provider takes, and advises settings."""
