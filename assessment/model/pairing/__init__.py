"""Which essays to compare next, in which order they are shown, and by which judge."""
