"""The connections to providers: SDK clients, sessions, limits of sizes, and the recorder of exchanges."""
