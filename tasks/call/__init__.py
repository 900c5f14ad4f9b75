"""What surrounds one call to the provider: its permit, its verdict, what its outcome says about the provider."""
